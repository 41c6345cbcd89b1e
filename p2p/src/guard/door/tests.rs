//! Crowds, floods and neighbours at a door, in a time of their own.

use super::*;
use std::net::IpAddr;

fn caller(address: &str, proven: bool) -> Caller {
    let site = Site::from(address.parse::<IpAddr>().unwrap());
    Caller {
        site,
        proven,
        lingers: true,
    }
}

fn entered(knock: Knock) -> (Ticket, Option<Ticket>) {
    match knock {
        Knock::Enter { ticket, instead_of } => (ticket, instead_of),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_crowd_of_strangers_is_asked_for_proof_and_holds_few_places() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    let knocks: Vec<_> = (0..2000_u32)
        .map(|i| door.knock(caller(&format!("10.{}.{}.9", i / 256, i % 256), false), now))
        .collect();
    let retry_above = DoorSettings::default().retry_above;
    assert_eq!(door.under_way(), retry_above);
    assert!(
        knocks[retry_above..]
            .iter()
            .all(|knock| *knock == Knock::Prove)
    );
    // Proven, anybody enters.
    entered(door.knock(caller("192.0.2.1", true), now));
    assert!(door.sites.len() < 2, "who proved nothing is not remembered");
}

#[test]
fn one_false_address_takes_no_place_of_its_owner() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    let (own, _) = entered(door.knock(caller("192.0.2.1", false), now));
    for _ in 0..1000 {
        door.knock(caller("192.0.2.1", false), now);
    }
    assert_eq!(door.under_way(), DoorSettings::default().per_site);
    assert!(door.under_way.contains_key(&own));
}

#[test]
fn handshakes_that_fail_at_once_count_until_they_are_forgotten() {
    let settings = DoorSettings::default();
    let (mut door, now) = (Door::new(settings), Instant::now());
    let mut fail = |proven, now| {
        let failed = (0..2000_u32).filter(|i| {
            let address = format!("10.{}.{}.9", i / 256, i % 256);
            match door.knock(caller(&address, proven), now) {
                Knock::Enter { ticket, .. } => {
                    door.end(ticket, Outcome::Failed, now);
                    true
                }
                _ => false,
            }
        });
        failed.count()
    };
    let later = now + Door::LINGER;
    assert_eq!(fail(false, now), settings.retry_above);
    assert_eq!(fail(false, now), 0);
    assert_eq!(fail(false, later), settings.retry_above);
    let strangers = settings.handshakes - settings.for_members;
    assert_eq!(fail(true, later), strangers - settings.retry_above);
    let member = caller("198.51.100.1", true);
    door.set_members([member.site].into());
    entered(door.knock(member, later));
}

#[test]
fn whoever_holds_most_places_gives_one_to_somebody_else() {
    let (mut door, start) = (Door::new(DoorSettings::default()), Instant::now());
    let mut now = start;
    // Half-open handshakes of proven addresses in few subnets, as fast as their rates allow.
    for i in 0..2000_u32 {
        let address = format!("10.0.{}.{}", i % 8, 1 + i / 8 % 250);
        door.knock(caller(&address, true), now);
        now += Duration::from_millis(2);
    }
    let settings = DoorSettings::default();
    assert_eq!(door.under_way(), settings.handshakes - settings.for_members);
    for i in 0..10 {
        let honest = caller(&format!("192.0.2.{i}"), true);
        let (ticket, instead_of) = entered(door.knock(honest, now));
        assert!(instead_of.is_some(), "the crowd gave a place");
        assert!(door.under_way.contains_key(&ticket));
    }
    let honest = |other: &Caller| other.site.subnet() == caller("192.0.2.1", true).site.subnet();
    assert_eq!(door.count_if(honest), 10, "and took none back");
    for i in 0..settings.for_members {
        let member = caller(&format!("198.51.{i}.1"), true);
        door.set_members([member.site].into());
        assert_eq!(
            entered(door.knock(member, now)).1,
            None,
            "places are kept for members"
        );
    }
}

#[test]
fn crowds_of_one_size_do_not_chase_each_other() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    for i in 0..2000_u32 {
        let address = format!("10.0.{}.{}", i % 20, 1 + i / 20);
        door.knock(caller(&address, true), now);
    }
    assert!(door.leaving.len() < 20, "{} gave up", door.leaving.len());
    entered(door.knock(caller("192.0.2.1", true), now));
}

#[test]
fn as_many_subnets_as_places_keep_nobody_out_for_long() {
    let settings = DoorSettings::default();
    let (mut door, start) = (Door::new(settings), Instant::now());
    for i in 0..settings.handshakes {
        door.knock(caller(&format!("10.0.{i}.9"), true), start);
    }
    let honest = caller("192.0.2.1", true);
    let at_once = door.knock(honest, start);
    assert_eq!(at_once, Knock::Ignore(Limit::Handshakes));
    entered(door.knock(honest, start + Door::PATIENCE));
}

#[test]
fn one_subnet_that_fails_leaves_room_for_others() {
    let settings = DoorSettings::default();
    let (mut door, now) = (Door::new(settings), Instant::now());
    let mut failed = 0;
    for i in 0..500_u32 {
        let knock = door.knock(caller(&format!("10.0.0.{}", i % 250), true), now);
        if let Knock::Enter { ticket, .. } = knock {
            door.end(ticket, Outcome::Failed, now);
            failed += 1;
        }
    }
    assert_eq!(failed, settings.per_subnet / 2);
    entered(door.knock(caller("192.0.2.1", true), now));

    // Whoever writes a false address does not use up its owner's share.
    let mut door = Door::new(settings);
    for i in 0..settings.retry_above {
        let (ticket, _) = entered(door.knock(caller(&format!("10.0.0.{i}"), false), now));
        door.end(ticket, Outcome::Failed, now);
    }
    entered(door.knock(caller("10.0.0.1", true), now));
}

#[test]
fn who_came_over_tcp_leaves_nothing_behind() {
    let settings = DoorSettings::default();
    let (mut door, now) = (Door::new(settings), Instant::now());
    for i in 0..2000_u32 {
        let stream = Caller {
            lingers: false,
            ..caller(&format!("10.{}.{}.9", i / 256, i % 256), true)
        };
        let (ticket, _) = entered(door.knock(stream, now));
        door.end(ticket, Outcome::Failed, now);
    }
    assert_eq!((door.under_way(), door.leaving.len()), (0, 0));
    // Nor waits for those of QUIC that do.
    for i in 0..settings.handshakes {
        let packet = caller(&format!("10.9.{i}.9"), true);
        if let Knock::Enter { ticket, .. } = door.knock(packet, now) {
            door.end(ticket, Outcome::Failed, now);
        }
    }
    let mut caller = caller("192.0.2.1", true);
    assert_eq!(door.knock(caller, now), Knock::Ignore(Limit::Handshakes));
    caller.lingers = false;
    entered(door.knock(caller, now));
}

#[test]
fn one_host_has_its_share_and_the_newest_of_it_counts() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    let settings = DoorSettings::default();
    let one = caller("192.0.2.1", true);
    for _ in 0..settings.per_site {
        assert_eq!(entered(door.knock(one, now)).1, None);
    }
    assert_eq!(door.knock(one, now), Knock::Ignore(Limit::Handshakes));
    for _ in 0..settings.per_site {
        let (_, instead_of) = entered(door.knock(one, now + Door::PATIENCE));
        assert!(instead_of.is_some());
    }
    assert_eq!(door.under_way(), settings.per_site);
}

#[test]
fn junk_from_a_proven_address_is_banned_for_a_while_and_a_members_host_never() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    let bad = caller("192.0.2.1", true);
    let fail = |door: &mut Door, caller, times| {
        let failed = (0..times).map(|_| {
            door.leaving.clear();
            let (ticket, _) = entered(door.knock(caller, now));
            door.end(ticket, Outcome::Failed, now)
        });
        failed.filter(|banned| *banned).count()
    };
    let junk = usize::try_from(DoorSettings::default().junk_rate.burst).unwrap();
    assert_eq!(fail(&mut door, caller("192.0.2.1", false), 2 * junk), 0);
    assert_eq!(fail(&mut door, bad, junk + 1), 1);
    for proven in [true, false] {
        let again = door.knock(caller("192.0.2.1", proven), now);
        assert_eq!(again, Knock::Ignore(Limit::Banned));
    }
    entered(door.knock(caller("192.0.2.2", true), now));
    entered(door.knock(bad, now + DoorSettings::default().ban));

    let member = caller("198.51.100.1", true);
    door.set_members([member.site].into());
    assert_eq!(fail(&mut door, member, 4 * junk), 0);
}

#[test]
fn rates_hold_for_hosts_and_subnets_whether_or_not_proof_was_asked_for() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    let mut enter = |address: &str, proven| match door.knock(caller(address, proven), now) {
        Knock::Enter { ticket, .. } => {
            door.end(ticket, Outcome::Done, now);
            Ok(())
        }
        other => Err(other),
    };
    let settings = DoorSettings::default();
    for i in 0..settings.site_rate.burst {
        assert_eq!(enter("192.0.2.1", i % 2 == 0), Ok(()), "{i}");
    }
    assert_eq!(enter("192.0.2.1", false), Err(Knock::Prove));
    assert_eq!(
        enter("192.0.2.1", true),
        Err(Knock::Ignore(Limit::HostRate))
    );
    let others = (2..200).flat_map(|host| vec![format!("192.0.2.{host}"); 500]);
    let refused = others
        .map(|address| enter(&address, true))
        .find(Result::is_err);
    assert_eq!(refused, Some(Err(Knock::Ignore(Limit::SubnetRate))));
    assert_eq!(enter("198.51.100.1", true), Ok(()));
}

#[test]
fn memory_is_bounded_however_many_addresses_come() {
    let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
    for i in 0..20_000_u32 {
        let [a, b, c, d] = (0x0a00_0000 | (i * 256)).to_be_bytes();
        let knock = door.knock(caller(&format!("{a}.{b}.{c}.{d}"), true), now);
        if let Knock::Enter { ticket, .. } = knock {
            door.end(ticket, Outcome::Failed, now);
        }
    }
    assert!(door.sites.len() <= Door::MAX_SEEN && door.subnets.len() <= Door::MAX_SEEN);
    assert!(door.leaving.len() <= DoorSettings::default().handshakes);
    entered(door.knock(caller("192.0.2.1", true), now + Door::LINGER));
}
