//! Paths of all three namespaces.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_name_resolves_to_what_it_points_to_and_below() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("top/sub")).unwrap();
    write_random(&folder.path().join("top/sub/file"), 1000);
    let top = folder.path().join("top");
    let root = daemon.ipfs(&["add", "-Q", "-r", "--pin=false", top.to_str().unwrap()]).unwrap();
    let file = daemon.ipfs(&["resolve", &format!("/ipfs/{root}/sub/file")]).unwrap();
    let name = daemon.ipfs(&["name", "publish", "-Q", "--allow-offline", &format!("/ipfs/{root}")]).unwrap();
    let resolved = kubo.resolve(format!("/ipns/{name}")).await.unwrap();
    assert_eq!(resolved.hash(), root.parse::<Cid>().unwrap().hash());
    let resolved = kubo.resolve(format!("/ipns/{name}/sub/file")).await.unwrap();
    assert_eq!(resolved.hash(), file.trim_start_matches("/ipfs/").parse::<Cid>().unwrap().hash());

    let error = kubo.resolve(format!("/ipns/{name}/nothing")).await.unwrap_err();
    assert!(matches!(error, IpfsError::Api { status: 500, .. }), "{error:?}");
    for bad in ["/ipns/", "/elsewhere/x", "", "/ipfs/nonsense"] {
        let error = kubo.resolve(bad.to_owned()).await.unwrap_err();
        assert!(matches!(error, IpfsError::Api { .. }), "{bad}: {error:?}");
    }
}

/// Not UnixFS: `/ipld` follows the fields of any block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipld_path_resolves_to_the_block_it_ends_in() {
    let daemon = daemon();
    let kubo = connector(&daemon, |_| {});
    let put = |json: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), json).unwrap();
        daemon.ipfs(&["dag", "put", file.path().to_str().unwrap()]).unwrap()
    };
    let inner = put(r#"{"a":{"b":[1,2,3]}}"#);
    let outer = put(&format!(r#"{{"link":{{"to":{{"/":"{inner}"}}}}}}"#));
    for (path, expected) in [
        (format!("/ipld/{outer}"), &outer),
        (format!("/ipld/{outer}/link"), &outer),
        (format!("/ipld/{outer}/link/to"), &inner),
        (format!("/ipld/{outer}/link/to/a/b/1"), &inner),
        (format!("/ipfs/{outer}"), &outer),
    ] {
        let resolved = kubo.resolve(path.clone()).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(resolved.to_string(), *expected, "{path}");
    }
    let error = kubo.resolve(format!("/ipld/{outer}/nothing")).await.unwrap_err();
    assert!(matches!(error, IpfsError::Api { status: 500, .. }), "{error:?}");
}
