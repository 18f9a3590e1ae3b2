//! The native API, `/identity/*`: Synswi's documented operations, and all our own operations in the
//! same style.

mod account;
mod api_keys;
mod credentials;
#[cfg(feature = "documents")]
mod document;
mod dto;
mod email_change;
mod error;
mod export;
mod magic_link;
mod me;
mod mfa_disable;
mod mfa_login;
mod mfa_methods;
mod mfa_resend;
mod mfa_setup;
mod operations;
mod passkeys;
mod password;
mod sessions;
mod step_up;
mod users;

use actix_web::web::{Data, Json};

use crate::http::operations::Operations;
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Identity};

/// The document and routes of the native API.
pub const DOCUMENT: Document = Document {
    name: "identity",
    label: "Countersign (identity)",
    strict: text!("identity"),
    lenient: text!("lenient/identity"),
    #[cfg(feature = "documents")]
    code: document::document,
    routes,
    envelope: problem::envelope::<Identity>,
};

type App = Data<crate::app::App>;
type Body<T> = input::Body<T, Error>;
type OptionalBody<T> = input::OptionalBody<T, Error>;
type Query<T> = input::Query<T, Error>;
type Caller = caller::Caller<Error>;
type MaybeCaller = caller::MaybeCaller<Error>;
type Answer<T> = Result<Json<T>, Error>;

/// Lists the operations. The router tries them in this order, so those of every sign-in come first.
fn routes(config: &mut impl Operations) {
    config
        .service(account::get_current_user)
        .service(sessions::validate_token)
        .service(sessions::login)
        .service(mfa_login::verify_mfa_login)
        .service(sessions::refresh_token)
        .service(account::register_user)
        .service(account::verify_registration)
        .service(me::update_current_user)
        .service(me::list_activity)
        .service(export::export_current_user)
        .service(email_change::begin_email_change)
        .service(email_change::verify_email_change)
        .service(email_change::undo_email_change)
        .service(password::forgot_password)
        .service(password::reset_password)
        .service(password::verify_password_reset)
        .service(password::verify_passkey_password_reset)
        .service(password::change_password)
        .service(me::list_sessions)
        .service(me::end_other_sessions)
        .service(me::end_session)
        .service(sessions::logout)
        .service(me::delete_current_user)
        .service(mfa_setup::setup_mfa)
        .service(mfa_setup::verify_mfa_setup)
        .service(passkeys::verify_passkey_setup)
        .service(mfa_login::switch_mfa_method)
        .service(passkeys::get_passkey_options)
        .service(passkeys::verify_passkey_login)
        .service(mfa_disable::disable_mfa)
        .service(mfa_disable::verify_mfa_disable)
        .service(mfa_resend::resend_mfa_code)
        .service(mfa_methods::list_mfa_methods)
        .service(mfa_methods::rename_mfa_method)
        .service(mfa_methods::delete_mfa_method)
        .service(mfa_methods::set_primary_mfa_method)
        .service(mfa_methods::generate_recovery_codes)
        .service(magic_link::open_magic_link)
        .service(passkeys::get_sign_in_passkey_options)
        .service(passkeys::sign_in_with_passkey)
        .service(step_up::begin_step_up)
        .service(step_up::verify_step_up)
        .service(step_up::verify_passkey_step_up)
        .service(api_keys::create_api_key)
        .service(api_keys::list_api_keys)
        .service(api_keys::delete_api_key)
        .service(users::list_users)
        .service(operations::get_json_web_key_set)
        .service(operations::get_health)
        .service(operations::get_readiness);
}
