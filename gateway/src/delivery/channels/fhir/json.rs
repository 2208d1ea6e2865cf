//! JSON whose numbers are exact: a decimal is written digit by digit, and is never a binary fraction.

use std::fmt;

use hempuls_protocol::observation::Decimal;

/// One JSON value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    Text(String),
    Bool(bool),
    Number(Decimal),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub(super) fn object<const N: usize>(members: [(&'static str, Json); N]) -> Self {
        Self::Object(members.into())
    }

    pub(super) fn list(items: impl IntoIterator<Item = Json>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// The object with one more member.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        if let Self::Object(members) = &mut self {
            members.push((name, value.into()));
        }
        self
    }

    /// The object with one more member, where there is a value.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(is_so: bool) -> Self {
        Self::Bool(is_so)
    }
}

impl From<Decimal> for Json {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::Bool(is_so) => write!(f, "{is_so}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_the_device_gave_it() {
        let number = |mantissa, exponent| Json::from(Decimal::new(mantissa, exponent)).to_string();
        assert_eq!(number(3_660, -2), "36.60", "not 36.6");
        assert_eq!(number(-5, -1), "-0.5");
        assert_eq!(number(142, 0), "142");
        assert_eq!(number(9_007_199_254_740_993, -1), "900719925474099.3", "a binary fraction would end in .2");
        assert_eq!(number(12, 1), "120");
        assert_eq!(Json::object([("a", "\"\n".into()), ("b", true.into())]).to_string(), r#"{"a":"\"\n","b":true}"#);
    }
}
