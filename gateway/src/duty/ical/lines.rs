//! The lines of an iCalendar file: unfolded, and taken apart into a name, parameters and a value.

use super::Refused;

/// One property, as it stands on its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Property {
    /// On which line of the file it begins, from 1.
    pub(super) line: usize,
    /// Its name, in capitals.
    pub(super) name: String,
    /// Its parameters: names in capitals, values without quotes.
    pub(super) parameters: Vec<(String, String)>,
    /// Its value, as it stands there.
    pub(super) value: String,
}

impl Property {
    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn refuse(&self, why: impl Into<String>) -> Refused {
        Refused::at(self.line, why)
    }

    /// Its value as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut signs = self.value.chars();
        while let Some(sign) = signs.next() {
            match sign {
                '\\' => match signs.next() {
                    Some('n' | 'N') => text.push(' '),
                    Some(escaped) => text.push(escaped),
                    None => {}
                },
                sign => text.push(sign),
            }
        }
        text.trim().to_owned()
    }
}

/// Reads the properties of a file. Lines may end with CR LF or with LF alone.
pub(super) fn properties(file: &[u8]) -> Result<Vec<Property>, Refused> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut unfolded: Vec<(usize, Vec<u8>)> = Vec::new();
    for (before, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (line, unfolded.last_mut()) {
            ([], _) => {}
            ([b' ' | b'\t', rest @ ..], Some((_, begun))) => begun.extend_from_slice(rest),
            (line, _) => unfolded.push((before + 1, line.to_vec())),
        }
    }
    unfolded.into_iter().map(|(line, bytes)| property(line, bytes)).collect()
}

fn property(line: usize, bytes: Vec<u8>) -> Result<Property, Refused> {
    let text = String::from_utf8(bytes)
        .map_err(|_| Refused::at(line, "this is not UTF-8; save the file as iCalendar in UTF-8"))?;
    let no_colon = || Refused::at(line, "a line must be as NAME:value; this is no iCalendar file, or it is damaged");
    let (head, value) = text.split_at(unquoted(&text, ':').next().ok_or_else(no_colon)?);
    let mut parts = Vec::new();
    let mut begin = 0;
    for end in unquoted(head, ';').chain([head.len()]) {
        parts.push(&head[begin..end]);
        begin = end + 1;
    }
    let name = parts.remove(0).to_uppercase();
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=').ok_or_else(no_colon)?;
        Ok((name.to_uppercase(), value.trim_matches('"').to_owned()))
    };
    let parameters = parts.into_iter().map(parameter).collect::<Result<_, Refused>>()?;
    Ok(Property { line, name, parameters, value: value[1..].to_owned() })
}

/// Where a sign stands outside of quotes.
fn unquoted(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let mut is_quoted = false;
    text.char_indices().filter_map(move |(at, sign)| {
        is_quoted ^= sign == '"';
        (sign == wanted && !is_quoted).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_line_is_one_also_where_it_is_broken_within_a_letter() {
        let file = b"SUMMARY:Anna Str\xC3\r\n \xB6m\r\n\r\nDTSTART;TZID=\"Europe/\r\n\tStockholm\":20261201T070000\n";
        let read = properties(file).unwrap();
        assert_eq!((read[0].line, read[0].text().as_str()), (1, "Anna Ström"));
        assert_eq!((read[1].line, read[1].parameter("TZID")), (4, Some("Europe/Stockholm")));
        assert_eq!(read[1].value, "20261201T070000");
    }

    #[test]
    fn what_is_no_line_of_such_a_file_is_refused_with_its_number() {
        assert_eq!(properties(b"A:1\n\nnonsense\n").unwrap_err().line, 3);
        assert_eq!(properties(b"A:1\nB:\xFF\n").unwrap_err().line, 2);
        assert_eq!(properties(b"A;B:1\n").unwrap_err().line, 1);
    }

    #[test]
    fn signs_that_were_escaped_are_themselves() {
        let text = |value: &str| properties(format!("A:{value}").as_bytes()).unwrap()[0].text();
        assert_eq!(text(r"Ek\, Cia\; \\ \n"), r"Ek, Cia; \");
    }
}
