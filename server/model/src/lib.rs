//! The data types that all layers share, and pure rules on them.

pub mod allowance;
pub mod api_key;
pub mod audit;
pub mod challenge;
pub mod code_set;
pub mod demand;
pub mod email_change;
pub mod factor;
pub mod fault;
pub mod ids;
pub mod kinds;
pub mod mark;
pub mod notice;
pub mod organisation;
pub mod passkey;
pub mod policy;
pub mod program;
pub mod reference;
pub mod refusal;
pub mod schema;
pub mod secret;
pub mod session;
pub mod source;
pub mod time;
pub mod typed;
pub mod user;

pub use fault::{Error, Fault, Result};
pub use ids::{
    ApiKeyId, AuditId, CeremonyId, ChallengeId, CodeSetId, EmailChangeId, EmailUndoId, FactorId,
    NoticeId, OrganisationId, RefreshId, ResetId, SessionId, UserId,
};
pub use refusal::Refusal;
pub use secret::Secret;
pub use time::Time;
