use super::*;

#[test]
fn supported_forms_print_as_they_were_given() {
    for text in [
        "/ip4/127.0.0.1/tcp/9094",
        "/ip6/::1/tcp/9094",
        "/dns4/example.com/tcp/80",
        "/dns6/example.com/tcp/80",
        "/dns/example.com/tcp/80",
        "/unix/run/cluster/api.sock",
    ] {
        assert_eq!(Host::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn unsupported_and_broken_forms_say_so() {
    let error = |text: &str| Host::parse(text).unwrap_err().to_string();
    let peer = "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu";
    let whole = format!("/ip4/1.2.3.4/tcp/9096/p2p/{peer}");
    let host = Host::parse(&whole).unwrap();
    assert!(matches!(&host, Host::Libp2p { address, .. } if address.to_string() == "/ip4/1.2.3.4/tcp/9096"));
    assert_eq!(host.to_string(), whole);
    assert!(error(&format!("/p2p/{peer}/ip4/1.2.3.4/tcp/9096")).contains("must end in /p2p/<peer ID>"));
    assert!(error("/dnsaddr/cluster.example.com").contains("must end in /p2p/<peer ID>"));
    assert!(error("/ip4/1.2.3.4/tcp/443/https").contains("https"));
    assert!(error("127.0.0.1:9094").contains("is not a multiaddress"));
    assert!(error("/ip4/127.0.0.1").contains("needs an address or name and a TCP port"));
    assert!(error("/unix/").contains("/unix/"));
}

#[test]
fn loopback_and_sockets_are_local() {
    assert!(Host::parse("/ip4/127.9.9.9/tcp/1").unwrap().is_local());
    assert!(Host::parse("/ip6/::1/tcp/1").unwrap().is_local());
    assert!(Host::parse("/unix/x").unwrap().is_local());
    assert!(!Host::parse("/ip4/10.0.0.1/tcp/1").unwrap().is_local());
}
