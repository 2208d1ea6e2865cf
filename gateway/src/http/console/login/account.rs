//! Accounts: a name, and a password that nobody chose.

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng as _;

use crate::http::now;
use crate::store::accounts::{self, Account};
use crate::store::{Store, StoreError};

/// What was made for a new account. It is told once, and the password is kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct GeneratedLogin {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// Makes the first account where there is none yet.
///
/// # Errors
/// When the store cannot be written.
pub async fn ensure_account(store: &Store, name: &str, unit: &str) -> Result<Option<GeneratedLogin>, StoreError> {
    let (account, login) = generate(name, unit);
    let mut work = store.work().await?;
    let added = accounts::add_first(&mut work, &account, now()).await?;
    work.commit().await?;
    Ok(added.then_some(login))
}

/// An account, and the password that opens it.
#[must_use]
pub fn generate(name: &str, unit: &str) -> (Account, GeneratedLogin) {
    let password = generate_password();
    let account = Account { name: name.to_owned(), unit: unit.to_owned(), password_hash: hash(&password) };
    (account, GeneratedLogin { name: name.to_owned(), password })
}

/// Whether this is the account's password. Takes as long where there is no such account: one hash either way.
pub(crate) fn is_password_of(account: Option<&Account>, typed: &str) -> bool {
    let Some(account) = account else {
        std::hint::black_box(hash(typed));
        return false;
    };
    PasswordHash::new(&account.password_hash)
        .is_ok_and(|hash| hasher().verify_password(typed.as_bytes(), &hash).is_ok())
}

/// Four groups of five from 32 signs that cannot be mistaken for each other: 100 bits.
fn generate_password() -> String {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut group = || -> String { (0..5).map(|_| char::from(SIGNS[rng.random_range(0..SIGNS.len())])).collect() };
    [group(), group(), group(), group()].join("-")
}

fn hash(password: &str) -> String {
    let salt = SaltString::generate(&mut OsRng);
    hasher().hash_password(password.as_bytes(), &salt).expect("the parameters are valid").to_string()
}

/// argon2id with 19 MiB and two passes.
///
/// Source: OWASP Password Storage Cheat Sheet.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).expect("the parameters are valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_opens_its_account() {
        let password = generate_password();
        let account = Account { name: "nurse".into(), unit: "home care".into(), password_hash: hash(&password) };
        assert!(account.password_hash.starts_with("$argon2id$"));
        assert!(is_password_of(Some(&account), &password));
        assert!(!is_password_of(Some(&account), "wrong"));
        assert!(!is_password_of(None, "nobody has this password"));
        assert_ne!(generate_password(), password);
    }
}
