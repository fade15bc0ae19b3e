use clap::CommandFactory;

use super::*;

#[test]
fn arguments_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn namespace_is_accepted_before_and_after_the_verb() {
    for line in [
        "cgp -n a get p",
        "cgp get -n a p",
        "cgp get p --namespace a",
        "cgp --namespace=a get p",
    ] {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
        assert_eq!(arguments.common.namespace.as_deref(), Some("a"), "{line}");
        assert!(
            matches!(arguments.verb, Verb::Get(Get { name: Some(name), .. }) if name == "p"),
            "{line}"
        );
    }
}

#[test]
fn all_namespaces_overrides_namespace() {
    for line in [
        "cgp get -A -n a",
        "cgp -n a get -A",
        "cgp get -n a -A",
        "cgp --namespace a get --all-namespaces",
    ] {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
        assert!(
            matches!(
                arguments.verb,
                Verb::Get(Get {
                    all_namespaces: true,
                    ..
                })
            ),
            "{line}"
        );
    }
    for line in ["cgp check -A -n a", "cgp -n a check -A"] {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
        assert!(
            matches!(
                arguments.verb,
                Verb::Check(Check {
                    all_namespaces: true,
                    ..
                })
            ),
            "{line}"
        );
    }
}

#[test]
fn every_verb_accepts_the_output_flag() {
    for verb in [
        "get",
        "journal p",
        "check",
        "version",
        "send p --topic t --value v",
        "send p --topic t --value v --follow",
        "where p t/2@17",
    ] {
        for line in [
            format!("cgp {verb} -o json"),
            format!("cgp {verb} --output=yaml"),
            format!("cgp {verb} -oyaml"),
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}

#[test]
fn a_place_is_what_send_prints() {
    let place = "my.topic-1/2@17".parse();
    let expected = Place {
        topic: "my.topic-1".to_owned(),
        partition: 2,
        offset: 17,
    };
    assert_eq!(place, Ok(expected));
}

#[test]
fn a_number_out_of_range_is_refused_with_the_range() {
    for (line, flag, number, range) in [
        ("logs p --tail -2", "--tail", "-2", "-1..=100000"),
        ("journal p --last -1", "--last", "-1", "1..=100000"),
        ("journal p --last 0", "--last", "0", "1..=100000"),
        (
            "send p --topic t --value v --count -5",
            "--count",
            "-5",
            "1..=1000000",
        ),
        (
            "send p --topic t --value v --rate -1",
            "--rate",
            "-1",
            "0.01 to 100000",
        ),
        (
            "send p --topic t --value v --partition -1",
            "--partition",
            "-1",
            "0..=2147483647",
        ),
        ("view p --port -1", "--port", "-1", "0..=65535"),
        ("view p --port 99999", "--port", "99999", "0..=65535"),
    ] {
        let arguments = ["cgp"].into_iter().chain(line.split(' '));
        let refused = Arguments::try_parse_from(arguments).expect_err(line);
        let message = refused.to_string();
        for part in [flag, number, range] {
            assert!(message.contains(part), "{line}: no {part}: {message}");
        }
    }
    for (text, tail) in [("-1", -1), ("0", 0), ("100000", 100_000)] {
        let line = ["cgp", "logs", "p", "--tail", text];
        let arguments = Arguments::try_parse_from(line).expect(text);
        assert!(matches!(arguments.verb, Verb::Logs(logs) if logs.tail == tail));
    }
}

#[test]
fn invalid_arguments_are_refused() {
    for line in [
        "cgp",
        "cgp get ../secrets",
        "cgp get -n a/b",
        "cgp get p -A",
        "cgp -n a get p -A",
        "cgp send p --topic t",
        "cgp send p --topic t --value v --rate 0",
        "cgp send p --topic t --value v --partition -1",
        "cgp get -o table",
        "cgp plan",
        "cgp plan manifest.yaml",
        "cgp plan -f manifest.yaml -o wide",
        "cgp journal p -o table",
        "cgp check -o wide",
        "cgp version -o wide",
        "cgp send p --topic t --value v -o wide",
        "cgp send p --topic t --value v --timeout 5s",
        "cgp send p --topic t --value v --follow --timeout 5",
        "cgp where t/2@17",
        "cgp where p t/2",
        "cgp where p t@17",
        "cgp where p /2@17",
        "cgp where p t/+2@17",
        "cgp where p t/2@-17",
        "cgp where p t/2@17x",
        "cgp where p t?/2@17",
        "cgp where p t/2@99999999999999999999",
        "cgp describe p -A",
        "cgp completion tcsh",
    ] {
        assert!(
            Arguments::try_parse_from(line.split(' ')).is_err(),
            "{line}"
        );
    }
}
