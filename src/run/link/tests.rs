use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::controls::{Controls, SamplingConfig};
use crate::error::Error;
use crate::mix::Mix;
use crate::patching::Mode;

fn built_in() -> ModelConfig {
    ModelConfig::parse(include_bytes!("../../../assets/model/config.json"), "config.json").unwrap()
}

fn parse(text: &str) -> Link {
    let link = Link::parse(text).unwrap();
    link.request_for(&built_in(), "").unwrap();
    link
}

fn refused(text: &str) -> String {
    let e = Link::parse(text).and_then(|link| link.request_for(&built_in(), "")).unwrap_err();
    assert!(matches!(e, Error::Link(_)) && e.is_bad_input(), "{text}");
    let said = e.to_string();
    assert!(said.lines().count() == 1 && said.len() < 400, "{said}");
    said
}

fn lives() -> impl Strategy<Value = Controls> {
    let finite = prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO | prop::num::f32::NEGATIVE;
    let threshold = prop_oneof![0.0f32..8.0, finite];
    let temperature = prop_oneof![Just(0.0f32), 1e-3f32..100.0];
    let sampling = (-100.0f32..100.0, temperature, any::<u32>(), 0.0f32..=1.0);
    (0usize..4, threshold, 1u32.., sampling).prop_map(|(mode, threshold, p_max, (cfg_scale, temperature, k, top_p))| {
        let mode = Mode::NAMES[mode].1;
        let mut controls = Controls { mode, threshold, p_max, ..Controls::default() };
        let s = &mut controls.sampling;
        (s.cfg_scale, s.temperature, s.top_k, s.top_p) = (cfg_scale, temperature, k as usize, top_p);
        controls
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let schedule = btree_map(0usize..256, lives(), 0..6);
    let forced = vec(option::of(0u32..1024), 0..256);
    let terms = vec((prop_oneof![Just(1.0), 0.0f64..100.0], 0usize..557), 1..4);
    let class = prop_oneof![
        (0usize..557).prop_map(Mix::of),
        terms.prop_filter_map("adds up to nothing", |terms| {
            Mix::new(terms.into_iter().map(Into::into).collect()).ok()
        })
    ];
    (any::<bool>(), class, any::<u32>(), lives(), forced, schedule).prop_map(
        |(baseline, class, seed, controls, mut forced, schedule)| {
            while forced.last() == Some(&None) {
                forced.pop();
            }
            let generator = if baseline { Generator::Baseline } else { Generator::Dpar };
            Request { generator, class, seed, controls, forced, schedule: schedule.into_iter().collect() }
        },
    )
}

proptest! {
    #[test]
    fn links_come_back_as_they_were(request in requests(), view in any::<Option<[bool; 3]>>(), sum in option::of("[0-9a-f]{8}"), token in option::of(0usize..256)) {
        let view = view.map(|[grid, heat, compare]| View { grid, heat, compare, ..View::default() });
        let link = Link { view, token, sum, ..Link::of(&request, "0123456789abcdef", &built_in()) };
        let text = link.to_string();
        prop_assert!(text.starts_with('#') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'<'), "{}", text);
        for address in [text.clone(), text[1..].to_owned(), format!("https://example.org/a/b/?q=1{text}"), format!(" {text}\n")] {
            let read = parse(&address);
            prop_assert_eq!(&read, &link);
            prop_assert_eq!(read.request(&built_in()).unwrap(), request.clone());
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), keys in vec((0usize..14, any::<String>()), 0..5)) {
        let names = ["gen", "class", "seed", "t", "pmax", "mode", "cfg", "temp", "topk", "topp", "changes", "given", "view", "token"];
        let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{}={value}", names[*key])).collect();
        for text in [text, pairs.join("&")] {
            if let Err(e) = Link::parse(&text).and_then(|link| link.request_for(&built_in(), "")) {
                let said = e.to_string();
                prop_assert!(said.lines().count() == 1 && said.len() < 1000, "{}", said);
            }
        }
    }

    #[test]
    fn no_damage_panics(request in requests(), at in any::<prop::sample::Index>(), byte in 32u8..127, cut in any::<bool>()) {
        let mut text = Link::of(&request, "0123456789abcdef", &built_in()).to_string().into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        let _ = Link::parse(&String::from_utf8(text).unwrap()).and_then(|link| link.request_for(&built_in(), ""));
    }
}

#[test]
fn a_link_names_every_number_and_reads_well() {
    let config = built_in();
    let mut request = Request::new(&config, Generator::Dpar, 8, 3);
    let link =
        Link { view: Some(View { grid: true, heat: true, ..View::default() }), ..Link::of(&request, "95f2", &config) };
    let text = "#class=cat-monkey-face&seed=3&t=4.3&pmax=4&mode=entropy_row_boundary&cfg=2&temp=0.8&topk=0&topp=0.85\
                &model=95f2&view=grid,heat";
    assert_eq!(link.to_string(), text);
    // The same link with a model of other defaults asks for the same numbers.
    let mut other = config.clone();
    other.patching.threshold = 9.0;
    other.sampling = SamplingConfig { cfg_scale: 7.0, temperature: 0.5, ..SamplingConfig::default() };
    assert_eq!(parse(text).request(&other).unwrap(), request);

    let mut changed = request.controls.clone();
    changed.threshold = 6.0;
    request.schedule = vec![(20, changed.clone()), (25, changed.clone())];
    changed.sampling.cfg_scale = 3.5;
    changed.p_max = 0;
    request.schedule.push((30, changed));
    request.forced = vec![None, Some(0), Some(1023), None, Some(17)];
    let link = Link::of(&request, "", &config);
    let text = link.to_string();
    assert!(text.ends_with("&changes=20:t=6;30:pmax=0,cfg=3.5&given=1:000003ff;4:0011"), "{text}");
    let again = parse(&text).request(&config).unwrap();
    assert_eq!((again.forced, again.schedule[1].1.p_max, again.schedule.len()), (request.forced, 0, 2));
}

#[test]
fn links_made_by_hand_are_understood() {
    let config = built_in();
    // A form's plus is a space where that is a name.
    for name in ["red apple", "cat face", "orange heart", "see-no-evil monkey"] {
        let link = parse(&format!("#class={}", name.replace(' ', "+")));
        assert_eq!(prompt::describe(&link.request(&config).unwrap().class, &config), name);
    }
    let same = Request::new(&config, Generator::Baseline, 30, 7);
    for text in [
        "#class=heart&seed=7&gen=baseline",
        "class=Heart&seed=7&&gen=baseline&",
        "#class=30&gen=baseline&seed=%37",
        "#class%3Dheart%26seed%3D7%26gen%3Dbaseline",
    ] {
        assert_eq!(parse(text).request(&config).unwrap(), same, "{text}");
    }
    // Without a model at hand a link is read as well, and judged later.
    let link = Link::parse("#class=zorse&t=1").unwrap();
    assert!(link.request(&config).unwrap_err().to_string().contains("nothing is called 'zorse'"));
}

/// What mails, chats and documents make of a link: `#class=red%20apple&seed=7&t=5` in all of them.
#[test]
fn links_are_read_as_people_bring_them() {
    let config = built_in();
    let apple = config.classes.iter().position(|name| name == "red apple").unwrap();
    let mut expected = Request::new(&config, Generator::Dpar, apple, 7);
    expected.controls.threshold = 5.0;
    for text in [
        // All of it escaped, once and twice, or the mark alone.
        "https%3A%2F%2Fexample.org%2Fdpar%2F%23class%3Dred%2520apple%26seed%3D7%26t%3D5",
        "https%253A%252F%252Fexample.org%252F%2523class%253Dred%252520apple%2526seed%253D7%2526t%253D5",
        "https://example.org/dpar/%23class=red%20apple&seed=7&t=5",
        "#class%3Dred%20apple%26seed%3D7%26t%3D5",
        // HTML, also twice.
        "https://example.org/#class=red%20apple&amp;seed=7&amp;t=5",
        "#class=red%20apple&amp;amp;seed=7&#38;t=5",
        "class=red%20apple&#38;seed=7&#x26;t=5",
        "<a href=\"https://example.org/#class=red%20apple&amp;seed=7&amp;t=5\">look</a>",
        // Broken in the middle of a key, a value, an escape; quoted in a mail; as mails are stored.
        "https://example.org/#class=red%20apple&se\ned=7&t=5",
        "https://example.org/#class=red%20apple&seed=7&\r\n    t=5",
        "> https://example.org/#class=red%2\n> 0apple&seed=7&t=5",
        "https://example.org/#class=3Dred%20apple&se=\r\ned=3D7&t=3D5",
        "https://example.org/#class=red%20apple\u{200B}&seed=7&t=5\u{AD}",
        // In a sentence.
        "<https://example.org/#class=red%20apple&seed=7&t=5>",
        "(https://example.org/#class=red%20apple&seed=7&t=5).",
        "\"#class=red%20apple&seed=7&t=5\",",
        "\u{201C}https://example.org/#class=red%20apple&seed=7&t=5\u{201D}",
        "[a picture](https://example.org/#class=red%20apple&seed=7&t=5)",
        "`#class=red%20apple&seed=7&t=5`",
        // Other programs' ways of writing addresses.
        "https://example.org/#/class=red%20apple&seed=7&t=5",
        "https://example.org/#!/?class=red%20apple&seed=7&t=5",
        "https://example.org/?class=red%20apple&seed=7&t=5",
        "https://example.org/#CLASS=red%20apple&Seed=7&T=5",
        "https://example.org/#class=red%20apple&seed=7&t=5:~:text=apple",
        "https://example.org/#seed=7&class=Red+Apple&t=5&",
    ] {
        let (request, notes) = Link::parse(text).and_then(|link| link.request_for(&config, "")).expect(text);
        assert_eq!(request, expected, "{text}");
        assert_eq!(notes, [""; 0], "{text}");
        assert!(Link::is_meant(text), "{text}");
    }
    // What other programs add is named, and changes nothing.
    let (request, notes) = parse("https://example.org/?utm_source=x#class=red%20apple&seed=7&t=5&fbclid=a")
        .request_for(&config, "")
        .unwrap();
    assert_eq!((request, notes.len()), (expected, 1));
    assert!(notes[0].contains("\"fbclid\""), "{notes:?}");
    // Balanced brackets belong to it.
    assert_eq!(Link::parse("#seed=1&class=face (1)").unwrap().class.as_deref(), Some("face (1)"));
}

#[test]
fn what_is_no_link_is_refused_and_draws_nothing() {
    for (text, says) in [
        ("", "there is nothing in the link"),
        ("#", "there is nothing in the link"),
        ("https://example.org/dpar/#", "there is nothing in the link"),
        ("https://example.org/dpar/", "no part after a #"),
        ("https://example.org/dpar/?q=owl", "is no link of this program: one is like #class=owl&seed=7"),
        ("owl", "\"owl\" is no link of this program"),
        ("#sead=7", "\"sead=7\" is no link"),
        ("https://example.org/#class=red%20apple&se...", "it was shortened on the way"),
        ("https://example.org/#class=red%20apple&seed=7\u{2026}", "it was shortened on the way"),
    ] {
        let said = Link::parse(text).unwrap_err().to_string();
        assert!(said.contains(says) && said.lines().count() == 1, "{text}: {said}");
        assert!(!Link::is_meant(text) || text.contains("class="), "{text}");
    }
    assert!(Link::is_meant("#class=heart"), "also without a seed");
    assert!(!Link::is_meant("the first class=\nwas good & cheap"));
}

#[test]
fn the_future_is_warned_about_and_other_models_are_a_fact() {
    let link = parse("#class=heart&zoom=3&view=grid,stars&changes=3:t=4,glow=1&seed=1&seed=2&model=ABCD");
    let said = link.warnings.join("\n");
    for part in ["\"zoom\"", "\"view=stars\"", "\"changes=glow=1\"", "\"seed\" twice"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((link.warnings.len(), link.seed, link.view), (4, Some(2), Some(View { grid: true, ..View::default() })));
    assert_eq!((link.other_model("1234"), link.other_model("abcd")), (Some("abcd"), None));
    assert_eq!(parse("#class=heart").other_model("1234"), None);
}

#[test]
fn bad_values_are_one_sentence_that_names_them() {
    for (text, says) in [
        ("https://example.org/dpar/", "no part after a #: copy the whole address"),
        ("#seed=-1", "\"seed\" is \"-1\": it must be a whole number from 0 to 4294967295"),
        ("#seed=4294967296", "\"seed\""),
        ("#seed", "\"seed\" is \"\""),
        ("#t=warm", "\"t\" is \"warm\": it must be a number"),
        ("#t=nan", "\"t\" is \"nan\""),
        ("#temp=1e999", "\"temp\" is \"1e999\""),
        ("#mode=often", "it must be token, static, entropy, entropy_row_boundary"),
        ("#gen=gan", "it must be dpar or baseline"),
        ("#class=", "the name or number of a class"),
        ("#class=%ff%fe", "\"class\""),
        ("#model=xyz", "hex digits"),
        ("#v=2&class=owl", "this is a link of version 2; this program reads version 1: a newer one may read it"),
        ("#sum=12", "\"sum\" is \"12\": it must be 8 hex digits"),
        ("#changes=20", "like 20:t=6"),
        ("#changes=20:t", "like 20:t=6"),
        ("#changes=20:t=6;10:t=5", "after the position of the change before it"),
        ("#changes=99999:t=6", "like 20:t=6"),
        ("#given=0:12", "4 hex digits"),
        ("#given=4095:00010002", "4 hex digits"),
        ("#given=18446744073709551615:0001", "4 hex digits"),
        ("#given=0:+123", "4 hex digits"),
        ("#given=3:0001;2:0001", "after the tokens before it"),
        // These are fine for themselves, but nothing that this model can draw.
        ("#class=zorse", "the link cannot be drawn: nothing is called 'zorse'; nearest: "),
        ("#class=owl%20%2B", "nothing beside a '+'"),
        ("#class=557", "class 557 does not exist"),
        ("#topp=2", "top-p 2 is out of range"),
        ("#mode=static&pmax=0", "mode static needs"),
        ("#given=0:0400", "given token 1024"),
        ("#given=300:0001", "tokens are given"),
        ("#changes=3:temp=-1", "temperature -1"),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    assert!(refused(&format!("#class={}", "x".repeat(100_000))).contains("bytes long"));
    assert!(refused(&format!("#class={}", "x".repeat(90_000))).len() < 400);
}

#[test]
fn mixes_travel_and_a_plus_may_be_a_space() {
    let config = built_in();
    let owl = |text: &str| prompt::resolve(text, &config).unwrap();
    let request = Request::new(&config, Generator::Dpar, owl("0.7 owl + 0.3 panda"), 3);
    let text = Link::of(&request, "", &config).to_string();
    assert!(text.starts_with("#class=0.7%20owl%20%2B%200.3%20panda&seed=3&"), "{text}");
    assert_eq!(parse(&text).request(&config).unwrap(), request);
    for (text, asked) in [
        ("#class=red+apple", "red apple"),
        ("#class=owl+panda", "owl + panda"),
        ("#class=2+owl+%2B+panda", "2 owl + panda"),
        ("#class=0.7%20owl+0.3%20panda", "0.7 owl + 0.3 panda"),
        ("#class=%F0%9F%A6%89", "owl"),
    ] {
        assert_eq!(parse(text).request(&config).unwrap().class, owl(asked), "{text}");
    }
}

#[test]
fn what_another_model_knew_becomes_the_nearest_thing_and_says_so() {
    let config = built_in();
    let (request, notes) = parse("#class=owls&seed=2&model=abcd").request_for(&config, "1234").unwrap();
    assert_eq!(prompt::describe(&request.class, &config), "owl");
    assert_eq!(notes.len(), 2);
    assert!(notes[0].contains("made with model abcd, this is 1234: the picture will differ"), "{notes:?}");
    assert!(notes[1].contains("\"owls\" is unknown here: the nearest, owl, is drawn"), "{notes:?}");
    // As a form has written it.
    let (request, notes) = parse("#class=2+owls+%2B+pandaa&model=abcd").request_for(&config, "1234").unwrap();
    assert_eq!((prompt::describe(&request.class, &config).as_str(), notes.len()), ("2 owl + panda", 3), "{notes:?}");
    // A pilot's link names a group that is still there; only the model is another.
    let mut config = config;
    config.patching.trained = None;
    let (request, notes) = parse("#class=heart&seed=7&t=6&model=95f2").request_for(&config, "1234").unwrap();
    assert_eq!((request.class, request.controls.threshold, notes.len()), (30.into(), 6.0, 1));
    // Where it is known what a model was trained for, another's threshold gives way to its own, also on the way.
    let own = "b20e22993c723fb7";
    let link = "#class=heart&t=6&changes=9:t=3;20:t=0.5&model=95f2";
    let (request, notes) = Link::parse(link).unwrap().request_for(&config, own).unwrap();
    let thresholds: Vec<f32> = request.schedule.iter().map(|(_, controls)| controls.threshold).collect();
    assert_eq!((request.controls.threshold, thresholds), (4.3, vec![3.0, 4.3]));
    let said = "its threshold of 6, 0.5 nats is outside 2.3 to 4.3, which this model was trained for: 4.3 is used";
    assert_eq!(notes[1..], [said]);
    let own = format!("#class=heart&t=6&model={own}");
    let (request, notes) = parse(&own).request_for(&config, "b20e22993c723fb7").unwrap();
    assert_eq!((request.controls.threshold, notes.len()), (6.0, 0), "this model's own link is kept");
    // A model may say so itself, as the built-in one does.
    let (request, notes) = Link::parse(link).unwrap().request_for(&built_in(), "1234").unwrap();
    assert_eq!((request.controls.threshold, &notes[1..]), (4.3, &[said.to_owned()][..]));
    // This model's own links are held to the letter.
    assert!(Link::parse("#class=owls&model=1234").unwrap().request_for(&config, "1234").is_err());
}

#[test]
fn the_sum_tells_pictures_apart() {
    // python3 -c "import hashlib, struct; print(hashlib.sha256(struct.pack('<3H', 1, 2, 1023)).hexdigest()[:8])"
    assert_eq!(sum([1, 2, 1023]), "48230b26");
    let link = parse("#class=owl&sum=48230b26");
    assert_eq!(link.differs([1, 2, 1023], "", "this GPU"), None);
    let said = link.differs([1, 2, 1022], "", "this GPU").unwrap();
    assert!(said.contains("the sender's 48230b26") && said.contains("this GPU") && !said.contains('\n'), "{said}");
    let other = Link { model: Some("abcd".into()), ..link };
    assert_eq!(
        other.differs([1], "1234", "this GPU"),
        None,
        "another model's picture is another anyway, and that is said"
    );
    assert_eq!(parse("#class=owl").differs([1], "", ""), None);
}

#[test]
fn walls_and_strips_travel_and_links_without_them_are_as_short_as_before() {
    let config = crate::platform::built_in_config();
    let request = Request::new(&config, Generator::Dpar, 2, 5);
    let plain = Link { view: Some(View { grid: true, ..View::default() }), ..Link::of(&request, "95f2", &config) };
    assert_eq!(plain.many(), None);
    for (many, says) in [
        (Many::Wall(4), "view=grid,wall&n=4"),
        (Many::Wall(16), "view=grid,wall&n=16"),
        (Many::Strip(0.25), "view=grid,strip&span=0.25"),
    ] {
        let link = plain.clone().with_many(many);
        let text = link.to_string();
        assert!(text.contains(says), "{text}");
        let read = Link::parse(&text).unwrap();
        assert_eq!((read.many(), &read), (Some(many), &link));
        assert_eq!(read.request(&config).unwrap(), request);
        // What is drawn first, seed and threshold, is the plain link's.
        assert_eq!(text.replace(says, "view=grid"), plain.to_string());
    }
    // By hand, without the numbers.
    assert_eq!(Link::parse("#class=owl&view=wall").unwrap().many(), Some(Many::Wall(9)));
    assert_eq!(Link::parse("#class=owl&view=strip,heat").unwrap().many(), Some(Many::Strip(Many::SPAN)));
    assert_eq!(Link::parse("#n=4").unwrap().many(), None);
    for wrong in ["#view=wall&n=5", "#n=x", "#span=0", "#span=nan", "#span=5"] {
        assert!(Link::parse(wrong).is_err(), "{wrong}");
    }
}
