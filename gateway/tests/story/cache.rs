//! What a gateway keeps on disk: fetched once for all, and never believed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Running, cached, http::get, node::Fault, path, sample, segments, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_one_blob_fetch_it_once() {
    let world = World::new(10).await;
    let bytes = sample(9 << 20);
    let blob = world.store(bytes.clone()).await.unwrap().blob;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Running::start(&world, cached(dir.path())).await;
    let (to, path) = (gateway.address, path(&blob));
    let readers = [(); 16].map(|()| get(to, &path));
    for answer in futures::future::join_all(readers).await {
        assert!(answer.body == bytes);
    }
    let count = segments(dir.path()).len() as u64;
    assert!(count > 1);
    assert_eq!(gateway.metric("fetched_segments_total").await, count);
    assert!(gateway.metric("shared_fetches_total").await > 0);
    // From the cache it is served without the nodes.
    world.set_fault(0..10, Fault::Silent);
    assert!(get(to, &path).await.body == bytes);
    assert_eq!(gateway.metric("fetched_segments_total").await, count);
    gateway.stop().await;
}

/// Something done to the segments of a cache.
type Spoil<'a> = &'a dyn Fn(&[PathBuf]);

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_the_cache_never_reaches_a_reader() {
    let world = World::new(10).await;
    let dir = tempfile::tempdir().unwrap();
    let blobs = [sample(9 << 20), sample((9 << 20) - 1)];
    let mut paths = Vec::new();
    for bytes in &blobs {
        paths.push(path(&world.store(bytes.clone()).await.unwrap().blob));
    }
    let spoil: [Spoil<'_>; 4] = [
        // A bit in the middle, so that the first blocks are sent before it is found.
        &|files| files.iter().for_each(|file| flip(file)),
        &|files| files.iter().for_each(|file| cut(file, 2_000_000)),
        &|files| {
            let first = fs::read(&files[0]).unwrap();
            for pair in files.windows(2) {
                fs::copy(&pair[1], &pair[0]).unwrap();
            }
            fs::write(files.last().unwrap(), first).unwrap();
        },
        &|files| files.iter().for_each(|file| fs::remove_file(file).unwrap()),
    ];
    for restart in [false, true] {
        let mut gateway = Running::start(&world, cached(dir.path())).await;
        for spoil in spoil {
            for (bytes, path) in blobs.iter().zip(&paths) {
                assert!(get(gateway.address, path).await.body == *bytes);
            }
            let before = gateway.metric("fetched_segments_total").await;
            spoil(&segments(dir.path()));
            if restart {
                gateway.stop().await;
                gateway = Running::start(&world, cached(dir.path())).await;
            }
            for (bytes, path) in blobs.iter().zip(&paths) {
                assert!(get(gateway.address, path).await.body == *bytes);
            }
            assert!(
                gateway.metric("fetched_segments_total").await > if restart { 0 } else { before }
            );
        }
        assert!(restart || gateway.metric("cache_damaged_total").await > 0);
        gateway.stop().await;
    }
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn cut(file: &Path, length: u64) {
    let file = fs::File::options().write(true).open(file).unwrap();
    let now = file.metadata().unwrap().len();
    file.set_len(length.min(now - 1)).unwrap();
}
