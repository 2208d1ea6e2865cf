use proptest::option::of;
use proptest::prelude::*;

use super::*;

const PRESS: &str = "<mrq><ref>A7K2M9Q4T1V8X5Z3</ref><ver>01.00</ver><mty>ME</mty><cid>4600012345</cid><dty>0003</dty>\
                     <did>00000007</did><stc>0010</stc><lco>002</lco><crd>sip:</crd></mrq>";

#[test]
fn a_press_is_read_and_written_as_it_came() {
    let heard = read(PRESS);
    assert_eq!(heard.ignored, Vec::<String>::new());
    assert_eq!((heard.request.kind, heard.request.device_type.number()), (MessageType::Alarm, 3));
    assert_eq!(heard.request.write(), PRESS);
}

#[test]
fn blanks_comments_attributes_and_what_nobody_knows_hide_no_alarm() {
    let heard = read(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a unit -->\n<mrq xmlns=\"urn:x\" a='1'>\n <ref> a1 </ref>\
         <cid> 8031372</cid>\r\n<dty>2</dty><x><y>1</y></x><lte>Kök &amp; <![CDATA[hall]]> &#x31;</lte><mty/></mrq>\n"
            .replace("<mty/>", "")
            .as_str(),
    );
    assert_eq!(heard.request.controller.as_str(), "8031372");
    assert_eq!(heard.request.location_text.unwrap().as_str(), "Kök & hall 1");
    assert_eq!((heard.request.kind, heard.ignored), (MessageType::Alarm, vec!["x".to_owned()]));
}

#[test]
fn what_stands_between_elements_belongs_to_none() {
    let read = read("<mrq>a<ref>a1</ref>b<cid>1</cid><dty>3</dty><lge><geo>1.5</geo> <z/>9</lge>9<stc>10</stc></mrq>");
    assert_eq!(read.request.position.unwrap().coordinates.unwrap().as_str(), "1.5");
    assert_eq!((read.request.status.unwrap().number(), read.ignored), (10, vec!["lge/z".to_owned()]));
}

#[test]
fn a_code_that_nobody_knows_stays_a_number() {
    let request = read("<mrq><ref>a1</ref><cid>1</cid><dty>9999</dty><stc>8888</stc><lco>777</lco></mrq>").request;
    assert_eq!(request.kind, MessageType::Alarm);
    assert_eq!(request.device_type.number(), 9999);
    assert_eq!((request.status.unwrap().number(), request.location.unwrap().number()), (8888, 777));
}

#[test]
fn what_is_wrong_is_told_by_its_number() {
    let with = |more: &str| format!("<mrq><ref>a1</ref><cid>12</cid><dty>3</dty>{more}</mrq>");
    let deep = with("<a><b><c><d/></c></b></a>");
    let long = with(&format!("<x>{}</x>", "y".repeat(crate::scaip::LARGEST)));
    for (body, status) in [
        (deep.as_str(), 2),
        (&long, 1),
        (&with("<stc>10</stc><stc>11</stc>"), 2),
        (&with("<lge><geo>1</geo><geo>2</geo></lge>"), 2),
        (&with("<stc>1<b/>0</stc>"), 3),
        (&with("<stc></stc>"), 3),
        (&with("<lge><geo>59° N</geo></lge>"), 3),
        (&with("<ame>2</ame>"), 3),
        (&with("<dte>&nobody;</dte>"), 2),
        (&with("<dte>&#0;</dte>"), 2),
        (&with("<dte>\u{1}</dte>"), 2),
        (&format!("{PRESS}{PRESS}"), 2),
        (&format!("{PRESS}again"), 2),
        ("", 2),
        ("<mrq/>", 7),
        ("<mrq><ref>a1</ref><cid>1A</cid></mrq>", 7),
    ] {
        let refused = Request::read(body.as_bytes()).expect_err(body);
        assert_eq!(refused.fault.status().map(|status| status.number()), Some(status), "{body}");
    }
    assert_eq!(Request::read(b"<mrq>\xff</mrq>").unwrap_err().fault, Fault::Malformed("it is not UTF-8"));
    assert!(Request::read(with("<x><y><z/></y></x>").as_bytes()).is_ok(), "as deep as may be");
}

#[test]
fn a_document_type_is_never_parsed_and_never_answered() {
    for body in [
        "<!DOCTYPE mrq [<!ENTITY a \"b\">]><mrq><ref>a1</ref><cid>1</cid><dty>&a;</dty></mrq>",
        "<!doctype mrq SYSTEM 'http://example.org/a'>",
        "<mrq><!ENTITY a 'b'></mrq>",
    ] {
        let refused = Request::read(body.as_bytes()).unwrap_err();
        assert_eq!((refused.fault.status(), refused.fault), (None, Fault::DocumentType), "{body}");
    }
}

#[test]
fn a_refusal_names_the_message_it_is_about() {
    let refused = Request::read(b"<mrq><ref>a1</ref><cid>12A</cid><dty>3</dty></mrq>").unwrap_err();
    assert_eq!(refused.fault, Fault::Pattern("cid"));
    assert_eq!(refused.reference.as_deref(), Some("a1"));
}

#[test]
fn whose_unit_it_was_is_found_in_what_cannot_be_read() {
    let found = |body: &[u8]| controllers(body).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found(&PRESS.as_bytes()[..90]), ["4600012345"], "the end is missing");
    assert_eq!(found(b"<scaip><ref>a1</ref><cid> 123 </cid>\xff"), ["123"], "another root, and not UTF-8");
    assert_eq!(found(b"<!DOCTYPE a><s:CID x='1'>7</s:CID>"), ["7"], "a document type");
    assert_eq!(found(b"<mrq><cid>123</cid><cid>124</cid><cid>123</cid>"), ["123", "124"]);
    for nobody in ["<mrq><cid>46000", "<cid>12A</cid>", "<acid>1</acid>", "<cid/>1<", "<cid></cid>", ""] {
        assert_eq!(found(nobody.as_bytes()), Vec::<String>::new(), "{nobody}");
    }
}

#[test]
fn no_text_of_a_request_is_shown_when_debugging() {
    let request = read("<mrq><ref>a1</ref><cid>1</cid><dty>3</dty><crd>tel:0701740605</crd><lte>Ada</lte></mrq>");
    let shown = format!("{request:?}");
    assert!(!shown.contains("0701740605") && !shown.contains("Ada"), "{shown}");
}

fn read(body: &str) -> Heard {
    Request::read(body.as_bytes()).unwrap_or_else(|refused| panic!("{refused}: {body}"))
}

/// A text that the pattern of an element allows, of at most so many characters.
fn text<const MOST: usize>() -> impl Strategy<Value = Option<Text<MOST>>> {
    let visible = prop::collection::vec(prop::char::any().prop_filter("visible", |c| !c.is_control()), 1..=MOST);
    of(visible.prop_filter_map("not blank", |text| text.into_iter().collect::<String>().parse().ok()))
}

fn code<const DIGITS: usize>() -> impl Strategy<Value = Option<Code<DIGITS>>> {
    of((0..10u16.pow(DIGITS as u32)).prop_map(|number| Code::new(number).expect("it has few digits enough")))
}

fn position() -> impl Strategy<Value = Option<Position>> {
    let coordinates = of("[0-9.,]{1,23}".prop_map(|text| text.parse().expect("digits are a text")));
    let parts = (coordinates, text(), text());
    of(parts.prop_map(|(coordinates, at, sentence)| Position { coordinates, at, sentence }))
}

prop_compose! {
    fn head()(
        reference in "[0-9a-zA-Z]{1,16}", controller in "[0-9]{1,16}", device_type in 0..10_000u16,
        version in of("[0-9]{2}\\.[0-9]{2}"), device in text::<8>(), more_follows in any::<Option<bool>>(),
        kind in prop::sample::select(vec![
            MessageType::Alarm, MessageType::Reset, MessageType::Information, MessageType::Heartbeat,
        ]),
    ) -> Request {
        Request {
            reference: reference.parse().expect("letters and digits"),
            version: version.map(|version| version.parse().expect("two and two digits")),
            kind,
            controller: controller.parse().expect("digits"),
            device_type: Code::new(device_type).expect("four digits"),
            device: device.map(|device| SentDevice::new(device.as_str()).expect("short enough")),
            more_follows,
            component: None, device_text: None, status: None, status_text: None, location: None, location_value: None,
            location_text: None, position: None, information: None, information_text: None, caller: None,
            configuration: None, call_handling: None, heartbeat_options: None, priority: None,
        }
    }
}

prop_compose! {
    fn any_request()(
        head in head(),
        (component, status, location, information) in (code(), code(), code(), code()),
        (device_text, status_text, location_value, location_text) in (text(), text(), text(), text()),
        (information_text, caller, position) in (text(), text(), position()),
        (configuration, call_handling, heartbeat_options, priority) in (code(), code(), code(), code()),
    ) -> Request {
        Request {
            component, status, location, information, device_text, status_text, location_value, location_text,
            information_text, caller, position, configuration, call_handling, heartbeat_options, priority, ..head
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_the_same_and_its_unit_is_found(request in any_request()) {
        let body = request.write();
        prop_assert_eq!(controllers(body.as_bytes()), [request.controller.clone()]);
        prop_assert_eq!(Request::read(body.as_bytes()), Ok(Heard { request, ignored: Vec::new() }));
    }

    #[test]
    fn a_damaged_request_is_read_or_refused_and_never_more(
        request in any_request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut body = request.write().into_bytes();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        if let Ok(heard) = Request::read(&body) {
            let again = heard.request.write();
            prop_assert_eq!(Request::read(again.as_bytes()).map(|heard| heard.request), Ok(heard.request));
        }
        prop_assert!(controllers(&body).len() <= 2);
    }
}
