//! Mails and text messages as data.

use std::time::Duration;

use actix_web::get;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::error::refuses;
use super::{Answer, Box, Query};
use crate::model::notice;
use crate::model::user::address_as_typed;
use crate::{KeptMessage, MessageQuery};

/// How many messages are answered where nobody says how many.
const MOST: usize = 100;

refuses!(ListMessages: ALONE, Validation, ForeignPage);

/// Lists messages, or waits for the next one.
#[utoipa::path(operation_id = "listMessages", tag = "Messages", params(MessageFilter),
    responses((status = 200, body = ListMessagesAnswer), ListMessages))]
#[get("/sandbox/messages")]
pub async fn list_messages(
    sandbox: Box,
    filter: Query<MessageFilter>,
) -> Answer<ListMessagesAnswer> {
    let (wanted, patience) = filter.into_inner().read();
    let found = sandbox.messages().wait(&wanted, patience).await;
    Ok(Json(ListMessagesAnswer {
        messages: found.into_iter().map(SentMessage::from).collect(),
        last: sandbox.messages().last().cast_signed(),
    }))
}

/// Which messages.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageFilter {
    #[validate(length(min = 1, max = 254))]
    #[param(min_length = 1, max_length = 254)]
    to: Option<String>,
    #[validate(length(min = 1, max = 40))]
    #[param(min_length = 1, max_length = 40)]
    kind: Option<String>,
    #[param(inline)]
    channel: Option<MessageChannel>,
    #[validate(range(min = 0))]
    #[param(minimum = 0, default = 0)]
    after: Option<i64>,
    #[validate(range(min = 0, max = 10))]
    #[param(format = Int32, minimum = 0, maximum = 10, default = 0)]
    wait: Option<i64>,
    #[validate(range(min = 1, max = 1000))]
    #[param(format = Int32, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
}

impl MessageFilter {
    /// What is looked for, and for how long.
    fn read(self) -> (MessageQuery, Duration) {
        let wanted = MessageQuery {
            // In a query, `+` is a space. Neither an address nor a number has one.
            to: self.to.map(|to| address_as_typed(&to.replace(' ', "+"))),
            kind: self.kind,
            channel: self.channel.map(MessageChannel::into_model),
            after: self.after.map_or(0, i64::unsigned_abs),
            most: self
                .limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(MOST),
        };
        let seconds = self.wait.map_or(0, i64::unsigned_abs);
        (wanted, Duration::from_secs(seconds))
    }
}

/// How a message goes.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageChannel {
    Mail,
    TextMessage,
}

impl MessageChannel {
    const fn into_model(self) -> notice::Channel {
        match self {
            Self::Mail => notice::Channel::Mail,
            Self::TextMessage => notice::Channel::Text,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ListMessagesAnswer {
    messages: Vec<SentMessage>,
    #[schema(minimum = 0)]
    last: i64,
}

/// A mail or a text message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentMessage {
    #[schema(minimum = 1)]
    number: i64,
    id: String,
    channel: MessageChannel,
    to: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    text: String,
    #[schema(format = DateTime)]
    sent_at: String,
}

impl From<KeptMessage> for SentMessage {
    fn from(kept: KeptMessage) -> Self {
        // The token stands in the fragment, which browsers send to nobody.
        let token = kept.link.as_deref().and_then(|link| link.split_once('#'));
        Self {
            number: kept.number.cast_signed(),
            id: kept.id.to_string(),
            channel: match kept.channel {
                notice::Channel::Mail => MessageChannel::Mail,
                notice::Channel::Text => MessageChannel::TextMessage,
            },
            to: kept.to,
            kind: kept.kind,
            code: kept.code,
            token: token.map(|(_, token)| token.to_owned()),
            link: kept.link,
            subject: kept.subject,
            text: kept.text,
            sent_at: kept.sent_at.to_string(),
        }
    }
}
