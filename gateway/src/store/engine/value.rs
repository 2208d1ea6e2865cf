//! The values that statements are given.

/// A value, or the lack of one, which has a type as well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A whole number.
    Integer(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

/// What a statement can be given.
pub trait Bind {
    /// What stands for its lack.
    const NONE: Value;

    /// The value of it.
    fn value(self) -> Value;
}

macro_rules! whole_numbers {
    ($($number:ty),*) => { $(
        impl Bind for $number {
            const NONE: Value = Value::Integer(None);

            fn value(self) -> Value {
                Value::Integer(Some(i64::from(self)))
            }
        }
    )* };
}

whole_numbers!(bool, u8, i8, u16, i16, u32, i32, i64);

impl Bind for String {
    const NONE: Value = Value::Text(None);

    fn value(self) -> Value {
        Value::Text(Some(self))
    }
}

impl Bind for &str {
    const NONE: Value = Value::Text(None);

    fn value(self) -> Value {
        Value::Text(Some(self.to_owned()))
    }
}

impl Bind for Vec<u8> {
    const NONE: Value = Value::Bytes(None);

    fn value(self) -> Value {
        Value::Bytes(Some(self))
    }
}

impl Bind for &[u8] {
    const NONE: Value = Value::Bytes(None);

    fn value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

impl<T: Bind> Bind for Option<T> {
    const NONE: Value = T::NONE;

    fn value(self) -> Value {
        self.map_or(T::NONE, T::value)
    }
}

impl<T: Bind + Clone> Bind for &T {
    const NONE: Value = T::NONE;

    fn value(self) -> Value {
        self.clone().value()
    }
}
