//! The few signs the console draws. They always stand beside a word, so readers that speak skip them.

use maud::{Markup, PreEscaped, html};

/// A sign, by what it stands for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Icon {
    /// The product: a leaf-shaped house with a pulse.
    Brand,
    /// A person asks for help.
    Bell,
    /// High or medium severity.
    Warning,
    /// Low severity.
    Note,
    /// Something is awaited.
    Hourglass,
    /// A question for a person.
    Question,
    /// It is as it should be.
    Tick,
    /// It is not as it should be.
    Cross,
    /// The page follows what happens.
    Live,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Brand => {
                "M12 2 3 9v12h18V9zm-6.5 12H9l1.6-4 2.9 7 1.9-4.500h3.100V11.200h-4.500l-.700 1.700L10.700 6.700 7.700 12.200H5.500z"
            }
            Self::Bell => {
                "M12 2a2 2 0 0 0-2 2v.4A6.500 6.500 0 0 0 5.500 10.700V16L3.500 18.500v1h17v-1L18.500 16v-5.300A6.500 6.500 0 0 0 14 4.400V4a2 2 0 0 0-2-2zM9.700 20.700a2.400 2.400 0 0 0 4.600 0z"
            }
            Self::Warning => "M12 2.500 1.500 21h21zm-1.100 6.700h2.200v6h-2.200zm0 7.600h2.200v2.200h-2.200z",
            Self::Note => {
                "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1.100 4.800h2.200V9h-2.200zm0 4h2.200v6.400h-2.200z"
            }
            Self::Hourglass => {
                "M6 2h12v4.500L14.200 12l3.800 5.500V22H6v-4.500L9.800 12 6 6.500zm2.200 2.200v1.600l3.800 5.500 3.800-5.500V4.200z"
            }
            Self::Question => {
                "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1.100 14.600h2.200v2.200h-2.200zm-3-7.200a4.100 4.100 0 1 1 6.600 3.200c-.900.700-1.400 1.100-1.400 2.200h-2.200c0-2.200 1.100-3.100 2.100-3.800.700-.500 1.100-.900 1.100-1.700a2 2 0 0 0-4 .100z"
            }
            Self::Tick => "M9.500 19.200 2.800 12.500l1.800-1.800 4.900 4.900L19.400 5.700l1.800 1.800z",
            Self::Cross => {
                "M5.600 3.800 12 10.200l6.400-6.400 1.800 1.800L13.800 12l6.400 6.400-1.800 1.800L12 13.800l-6.400 6.400-1.800-1.800L10.200 12 3.800 5.600z"
            }
            Self::Live => "M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12z",
        }
    }
}

impl maud::Render for Icon {
    fn render(&self) -> Markup {
        let path = self.path();
        html! {
            (PreEscaped(format!(r#"<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path fill-rule="evenodd" d="{path}"/></svg>"#)))
        }
    }
}
