/// Enums by value, by reference and nested, with guards, generics and recursion through vectors.
module corpus::enums;

use corpus::random::{Self, Source};

public enum Shape has copy, drop, store {
    Dot,
    Circle(u64),
    Rectangle { width: u64, height: u64 },
    Polygon(vector<u64>, bool),
}

public enum Either<L, R> has copy, drop, store { Left(L), Right { value: R, weight: u8 } }

/// Positional and named fields of every kind in one type.
public struct Picture has copy, drop, store { shapes: vector<Shape>, focus: Either<Shape, u16>, title: Option<vector<u8>> }

fun shape(random: &mut Source): Shape {
    let kind = random.below(4);
    let n = random.below(1000);
    if (kind == 0) Shape::Dot
    else if (kind == 1) Shape::Circle(n)
    else if (kind == 2) Shape::Rectangle { width: n, height: n + 1 }
    else Shape::Polygon(vector[n, n, n + 2], n % 2 == 0)
}

fun picture(random: &mut Source): Picture {
    Picture {
        shapes: vector::tabulate!(random.below(6), |_| shape(random)),
        focus: if (random.below(2) == 0) Either::Left(shape(random)) else Either::Right { value: random.bits(16) as u16, weight: 9 },
        title: if (random.below(2) == 0) option::some(b"title") else option::none(),
    }
}

fun area(self: &Shape): u64 {
    match (self) {
        Shape::Dot => 0,
        Shape::Circle(radius) => *radius * *radius * 3,
        Shape::Rectangle { width, height: 501 } => *width,
        Shape::Rectangle { width, height } if (*width > 500) => *width + *height,
        Shape::Rectangle { width, height } => *width * *height,
        Shape::Polygon(corners, true) => corners.length(),
        Shape::Polygon(corners, false) => corners[0],
    }
}

fun grow(self: &mut Shape) {
    match (self) {
        Shape::Circle(radius) => *radius = *radius * 2,
        Shape::Rectangle { width, .. } if (*width % 2 == 0) => *width = *width + 100,
        Shape::Polygon(corners, open) => {
            corners.push_back(7);
            *open = !*open;
        },
        _ => (),
    }
}

fun split(self: Shape): (u64, vector<u64>) {
    match (self) {
        Shape::Dot => (0, vector[]),
        Shape::Circle(radius) => (radius, vector[radius]),
        Shape::Rectangle { width, height } => (width, vector[width, height]),
        Shape::Polygon(corners, _) => (corners.length(), corners),
    }
}

fun fold<L: copy + drop, R: copy + drop>(self: &Either<L, R>, left: L, right: R): (L, R, u8) {
    match (self) {
        Either::Left(l) => (*l, right, 0),
        Either::Right { value, weight } => (left, *value, *weight),
    }
}

public fun shapes(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut shapes = vector::tabulate!(8, |_| shape(&mut random));
    out.put_ref(&shapes);
    shapes.do_mut!(|shape| shape.grow());
    out.put(shapes.fold!(0, |sum, shape| sum + shape.area()));
    let (mut sizes, mut parts) = (0, vector[]);
    shapes.do!(|shape| {
        let (size, part) = shape.split();
        sizes = sizes + size;
        parts.push_back(part);
    });
    out.put(sizes);
    out.put(parts);
    out.done()
}

public fun pictures(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut picture = picture(&mut random);
    let before = picture;
    picture.shapes.do_mut!(|shape| shape.grow());
    match (&mut picture.focus) {
        Either::Left(shape) => shape.grow(),
        Either::Right { value, weight } => {
            *weight = 3;
            *value = *value / 2;
        },
    };
    out.put(picture == before);
    out.put_ref(&picture);
    let (left, right, weight) = picture.focus.fold(Shape::Dot, 77);
    out.put(left);
    out.put(right);
    out.put(weight);
    let nested: Either<Either<u8, bool>, vector<Shape>> =
        if (weight == 0) Either::Left(Either::Right { value: true, weight })
        else Either::Right { value: picture.shapes, weight };
    out.put(match (nested) {
        Either::Left(Either::Left(byte)) => byte,
        Either::Left(Either::Right { value: true, weight }) => weight + 1,
        Either::Left(_) => 5,
        Either::Right { value, .. } => value.length() as u8,
    });
    out.done()
}

/// Replaces a variant through a reference.
public fun replaced(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut shape = shape(&mut random);
    let place = &mut shape;
    *place = if (place.area() > 100) Shape::Dot else Shape::Circle(place.area());
    out.put_ref(place);
    out.put(shape == Shape::Dot);
    out.done()
}
