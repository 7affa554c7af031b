use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::app::accounts::{PasswordHash, Role};
use crate::app::entropy;

const NOW: u64 = 1_800_000_000;

/// Bytes that are all different, the same in each run.
pub(crate) fn counted_entropy() -> Entropy {
    let count = Mutex::new(0_u8);
    Arc::new(move |buffer| {
        let mut count = count.lock().unwrap();
        for byte in buffer {
            *count = count.wrapping_mul(5).wrapping_add(17);
            *byte = *count;
        }
    })
}

fn tokens(algorithm: Algorithm) -> Tokens {
    let entropy = counted_entropy();
    Tokens::new(Keys::in_memory(algorithm, &entropy, NOW), entropy, 900).unwrap()
}

fn ada() -> User {
    User {
        id: UserId(7),
        email: "ada@example.com".to_owned(),
        nickname: "Ada".to_owned(),
        role: Role::Moderator,
        password: PasswordHash::default(),
        is_disabled: false,
        created: NOW,
    }
}

const BOTH: [Algorithm; 2] = [Algorithm::EdDSA, Algorithm::HS256];

fn parts(token: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| BASE64.decode(part).unwrap()).collect();
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap(), parts[2].clone())
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

/// A token that the newest key signs, whatever it says.
fn signed(tokens: &Tokens, header: &Value, claims: &Value) -> String {
    let message = unsigned(header, claims);
    let key = Arc::clone(tokens.keys().newest());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, key.algorithm.into()).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_says_who_somebody_is_and_no_password() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        let (token, claims) = tokens.issue(NOW, &ada(), SessionId(99));
        assert_eq!(tokens.judge(NOW, &token), Ok(claims.clone()));
        assert!(
            claims.may(Permission::Member)
                && claims.may(Permission::Moderator)
                && !claims.may(Permission::Admin)
        );
        let (header, said, _) = parts(&token);
        assert_eq!(header["typ"], "at+jwt");
        let names: Vec<&String> = said.as_object().unwrap().keys().collect();
        assert_eq!(names, ["iss", "sub", "email", "nickname", "permissions", "iat", "exp", "jti", "sid"]);
        assert_eq!(
            (&said["sub"], &said["email"], &said["exp"]),
            (&json!("7"), &json!("ada@example.com"), &json!(NOW + 900))
        );
        let (other, _) = tokens.issue(NOW, &ada(), SessionId(99));
        assert_ne!(token, other, "each has a name of its own");
    }
}

#[test]
fn the_largest_token_has_at_most_a_kibibyte() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        for nickname in ["\"".repeat(limits::NICKNAME_CHARS), "🦀".repeat(limits::NICKNAME_CHARS)] {
            let user = User { nickname, ..User::nobody() };
            let (token, _) = tokens.issue(u64::MAX / 4, &user, SessionId(u128::MAX));
            assert!(token.len() <= limits::TOKEN_BYTES, "{}", token.len());
            assert!(tokens.judge(u64::MAX / 4, &token).is_ok());
        }
    }
}

#[test]
fn tokens_expire_and_come_from_no_future() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
        for (now, judged) in [
            (NOW + 899, None),
            (NOW + 900, Some(Refusal::Expired)),
            (NOW + 1_000_000, Some(Refusal::Expired)),
            (NOW - limits::TOKEN_SKEW, None),
            (NOW - limits::TOKEN_SKEW - 1, Some(Refusal::Malformed)),
        ] {
            assert_eq!(tokens.judge(now, &token).err(), judged, "{now}");
        }
    }
}

#[test]
fn forged_tokens_are_refused() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
        let (header, mut claims, signature) = parts(&token);
        claims["permissions"] = json!(["member", "moderator", "admin"]);
        let forged = format!("{}.{}", unsigned(&header, &claims), BASE64.encode(&signature));
        assert_eq!(tokens.judge(NOW, &forged), Err(Refusal::Malformed));
        let other = self::tokens(algorithm);
        other.rotate(NOW, false).unwrap();
        let (foreign, _) = other.issue(NOW, &ada(), SessionId(1));
        let (_, claims, _) = parts(&foreign);
        let named = signed(&other, &header, &claims);
        assert_eq!(tokens.judge(NOW, &foreign), Err(Refusal::Malformed), "its key is unknown");
        assert_eq!(tokens.judge(NOW, &named), Err(Refusal::Malformed), "its key is named as one of ours");
    }
}

/// Each is one of the ways of RFC 8725 2, or of the list of attacks that became known since.
#[test]
fn no_header_but_ours_is_taken() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
        let (header, claims, _) = parts(&token);
        assert!(
            tokens.judge(NOW, &signed(&tokens, &header, &claims)).is_ok(),
            "what these tests sign is well"
        );
        let changes: &[(&str, Value)] = &[
            ("alg", json!("none")),
            ("alg", json!("None")),
            ("alg", json!("HS384")),
            ("alg", json!("RS256")),
            ("alg", json!("ES256")),
            ("alg", json!("EdDSA ")),
            ("alg", json!(["EdDSA"])),
            ("alg", Value::Null),
            ("typ", json!("JWT")),
            ("typ", json!("dpop+jwt")),
            ("typ", Value::Null),
            ("kid", json!("")),
            ("kid", json!("../../keys.json")),
            ("kid", json!("' OR 1=1 --")),
            ("kid", json!(1)),
            ("kid", Value::Null),
            ("crit", json!([])),
            ("crit", json!(["exp"])),
            ("crit", json!(["b64"])),
            ("b64", json!(false)),
            ("jku", json!("https://example.com/keys")),
            ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("x5u", json!("https://example.com/certificate")),
            ("x5c", json!(["AAAA"])),
            ("x5t", json!("AAAA")),
            ("cty", json!("JWT")),
            ("enc", json!("A128GCM")),
            ("zip", json!("DEF")),
            ("anything", json!(true)),
        ];
        for (name, value) in changes {
            let mut header = header.clone();
            header[name] = value.clone();
            assert_eq!(
                tokens.judge(NOW, &signed(&tokens, &header, &claims)),
                Err(Refusal::Malformed),
                "{name}: {value}"
            );
            if name == &"alg" {
                let bare = format!("{}.", unsigned(&header, &claims));
                assert_eq!(tokens.judge(NOW, &bare), Err(Refusal::Malformed), "{value} without a signature");
            }
        }
    }
}

/// The other algorithm of the two, with all that is public of the key for its secret.
#[test]
fn a_key_is_for_one_algorithm() {
    let tokens = tokens(Algorithm::EdDSA);
    let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
    let (mut header, claims, _) = parts(&token);
    header["alg"] = json!("HS256");
    let message = unsigned(&header, &claims);
    let public = tokens.keys().newest().decoding.try_get_as_bytes().unwrap().to_vec();
    for secret in [public.clone(), BASE64.encode(&public).into_bytes(), Vec::new(), b"null".to_vec()] {
        let tag = provider::Hs256::new(&secret).tag(message.as_bytes());
        let confused = format!("{message}.{}", BASE64.encode(tag));
        assert_eq!(tokens.judge(NOW, &confused), Err(Refusal::Malformed));
    }
}

#[test]
fn no_claims_but_ours_are_taken() {
    let tokens = tokens(Algorithm::HS256);
    let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
    let (header, claims, _) = parts(&token);
    for (name, value) in [
        ("iss", json!("somebody else")),
        ("iss", json!(["taphouse", "x"])),
        ("sub", json!(7)),
        ("sub", json!("ada")),
        ("exp", json!("never")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", Value::Null),
        ("iat", json!(NOW + 10_000)),
        ("permissions", json!(["owner"])),
        ("permissions", json!("admin")),
        ("sid", json!("short")),
        ("password", json!("secret")),
    ] {
        let mut claims = claims.clone();
        claims[name] = value.clone();
        assert_eq!(
            tokens.judge(NOW, &signed(&tokens, &header, &claims)),
            Err(Refusal::Malformed),
            "{name}: {value}"
        );
    }
    for name in ["iss", "sub", "exp", "iat", "sid", "permissions"] {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            tokens.judge(NOW, &signed(&tokens, &header, &claims)),
            Err(Refusal::Malformed),
            "without {name}"
        );
    }
}

#[test]
fn a_token_is_whole_or_none() {
    for algorithm in BOTH {
        let tokens = tokens(algorithm);
        let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
        for end in 0..token.len() {
            assert_eq!(tokens.judge(NOW, &token[..end]), Err(Refusal::Malformed), "{end}");
        }
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                tokens.judge(NOW, std::str::from_utf8(&changed).unwrap()),
                Err(Refusal::Malformed),
                "{at}"
            );
        }
        for odd in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "é.é.é",
            &format!("{token}."),
            &format!("{token}="),
            &format!(" {token}"),
        ] {
            assert_eq!(tokens.judge(NOW, odd), Err(Refusal::Malformed), "{odd:?}");
        }
        assert_eq!(tokens.judge(NOW, &"a".repeat(1 << 20)), Err(Refusal::Malformed));
    }
}

#[test]
fn keys_are_replaced_and_old_tokens_live_out_their_time() {
    let entropy = counted_entropy();
    let keys = Keys::in_memory(Algorithm::EdDSA, &entropy, NOW);
    let tokens = Tokens::new(keys, entropy, limits::TOKEN_LIFE_MAX).unwrap();
    let (old, _) = tokens.issue(NOW + limits::KEY_AGE - 1, &ada(), SessionId(1));
    let (new, _) = tokens.issue(NOW + limits::KEY_AGE, &ada(), SessionId(1));
    let kid = |token: &str| parts(token).0["kid"].clone();
    assert_ne!(kid(&old), kid(&new), "its key is a month old");
    let later = NOW + limits::KEY_AGE + limits::TOKEN_LIFE_MAX - 2;
    assert!(tokens.judge(later, &old).is_ok() && tokens.judge(later, &new).is_ok());
    tokens.rotate(later, false).unwrap();
    assert!(tokens.judge(later, &old).is_ok(), "it was replaced less than the longest life ago");
    tokens.rotate(later + 100, false).unwrap();
    assert_eq!(tokens.judge(later, &old), Err(Refusal::Malformed), "its key is forgotten");
    assert!(tokens.judge(later, &new).is_ok());
}

#[test]
fn the_keys_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = std::env::temp_dir().join(format!("taphouse-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let open = |algorithm, now| Keys::open(&directory, 7, Some(algorithm), &entropy::system(), now);
    let path = directory.join("keys.json");
    let tokens = Tokens::new(open(Algorithm::EdDSA, NOW).unwrap(), entropy::system(), 900).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (token, _) = tokens.issue(NOW, &ada(), SessionId(1));
    let refresh = tokens.refresh(SessionId(1), 3);

    // By another start, with another algorithm: what was signed before is good.
    let tokens = Tokens::new(open(Algorithm::HS256, NOW + 10).unwrap(), entropy::system(), 900).unwrap();
    assert!(tokens.judge(NOW + 10, &token).is_ok());
    assert_eq!(tokens.judge_refresh(refresh.reveal()), Ok((SessionId(1), 3)));
    assert_eq!(parts(&tokens.issue(NOW + 10, &ada(), SessionId(1)).0).0["alg"], "HS256");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // The keeper's commands choose nothing and replace nothing.
    let before = std::fs::read(&path).unwrap();
    Keys::open(&directory, 7, None, &entropy::system(), NOW + 10 * limits::KEY_AGE).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);

    // Nothing of before is good when it is said so, nor with another store.
    tokens.rotate(NOW + 10, true).unwrap();
    assert_eq!(tokens.judge(NOW + 10, &token), Err(Refusal::Malformed));
    assert_eq!(tokens.judge_refresh(refresh.reveal()), Err(Refusal::Malformed));
    let (token, _) = tokens.issue(NOW + 10, &ada(), SessionId(1));
    let other = Keys::open(&directory, 8, None, &entropy::system(), NOW + 10).unwrap();
    let other = Tokens::new(other, entropy::system(), 900).unwrap();
    assert_eq!(other.judge(NOW + 10, &token), Err(Refusal::Malformed));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(open(Algorithm::HS256, NOW).err().unwrap().contains("others can read the keys (mode 640)"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for damage in ["", "{}", "{\"refresh\":\"AAAA\",\"keys\":[]}"] {
        std::fs::write(&path, damage).unwrap();
        assert!(open(Algorithm::HS256, NOW).err().unwrap().contains("damaged"), "{damage}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_refresh_token_is_whole_or_none() {
    let tokens = tokens(Algorithm::EdDSA);
    let token = tokens.refresh(SessionId(5), 7);
    let text = token.reveal();
    assert_eq!(tokens.judge_refresh(text), Ok((SessionId(5), 7)));
    for end in 0..text.len() {
        assert_eq!(tokens.judge_refresh(&text[..end]), Err(Refusal::Malformed));
    }
    for at in 0..text.len() {
        let mut changed = text.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            tokens.judge_refresh(std::str::from_utf8(&changed).unwrap()),
            Err(Refusal::Malformed),
            "{at}"
        );
    }
}

proptest! {
    #[test]
    fn noise_is_no_token(noise in "[A-Za-z0-9_.-]{0,400}") {
        let tokens = tokens(Algorithm::HS256);
        prop_assert_eq!(tokens.judge(NOW, &noise), Err(Refusal::Malformed));
        prop_assert_eq!(tokens.judge_refresh(&noise), Err(Refusal::Malformed));
    }
}
