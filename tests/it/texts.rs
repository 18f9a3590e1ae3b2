//! Text messages: what Twilio and the webhook receive, and what happens when they fail.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract_tests::gateway::{Gateway, Reply};
use contract_tests::waiting::until;
use contract_tests::{Server, json, logs, tests};
use countersign::config::{Settings, TwilioSender};
use countersign::flow::Act;
use countersign::model::notice::Message;
use countersign::model::source::Source;
use countersign::model::{Secret, UserId};

use super::courier::given_up;

tests! {
    a_message_is_what_twilio_documents,
    a_messaging_service_stands_in_the_place_of_a_number,
    what_twilio_cannot_do_now_is_tried_again,
    a_twilio_that_hangs_is_tried_again,
    a_number_that_is_none_is_given_up,
    our_own_credentials_are_not_the_receivers_fault,
    a_webhook_can_tell_who_sends,
    a_webhook_secret_may_be_base64,
    without_a_sender_messages_are_written_beside_the_mails,
    what_is_no_code_is_told_by_mail_alone,
    mails_that_hang_hold_up_no_text_message,
    a_code_is_bound_to_the_host_of_public_url,
    a_code_of_twilios_says_whose_fault_it_is,
}

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const SERVICE: &str = "MG00000000000000000000000000000000";
const NUMBER: &str = "+12025550123";

fn twilio(settings: &mut Settings, gateway: &Gateway) {
    settings.twilio_url = gateway.url();
    settings.twilio_account_sid = Some(ACCOUNT.to_owned());
    settings.twilio_auth_token = Some(Secret::new("an-auth-token".to_owned()));
    settings.twilio_from = Some(TwilioSender::From("+15005550006".to_owned()));
    settings.sms_timeout_seconds = 1;
}

pub async fn by_twilio() -> (Server, Gateway) {
    let gateway = Gateway::start().await;
    let server = Server::with(|settings| twilio(settings, &gateway)).await;
    (server, gateway)
}

/// Queues a letter, as a flow does.
pub async fn post(server: &Server, to: &'static str, message: Message) {
    let ctx = server.app.ctx();
    let act = Act::begin(ctx, Source::Console);
    let user_id: UserId = ctx.chance.id(act.now);
    let job = move |tx: &mut _| act.post(tx, user_id, to, message.clone(), 300);
    ctx.write(job).await.expect("queued");
    ctx.nudge_courier();
}

pub async fn post_code(server: &Server) {
    let message = Message::LoginCode {
        code: "271828".to_owned(),
        minutes: 5,
        link: None,
        link_minutes: 0,
    };
    post(server, NUMBER, message).await;
}

/// Counts the notices in this state.
fn notices(server: &Server, state: &str) -> i64 {
    let count = format!("SELECT count(*) AS found FROM notices WHERE state = '{state}'");
    server.database.number(&count)
}

/// Waits until a message was tried this many times and waits for another try. Lets that time pass.
async fn tried(server: &Server, tries: u32) {
    let again = format!(
        "SELECT count(*) AS found FROM notices WHERE state = 'queued' AND tries = {tries} AND leased_until = 0"
    );
    until("a message that waits for its next try", async || {
        (server.database.number(&again) == 1).then_some(())
    })
    .await;
    server.wait(60);
}

async fn a_message_is_what_twilio_documents() {
    let (server, gateway) = by_twilio().await;
    post_code(&server).await;
    let request = gateway.next().await;
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.path,
        format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    );
    let basic = STANDARD.encode(format!("{ACCOUNT}:an-auth-token"));
    assert_eq!(request.header("authorization"), format!("Basic {basic}"));
    assert_eq!(
        request.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    let url = contract_tests::reqwest::Url::parse(&format!("http://x/?{}", request.body));
    let fields: Vec<(String, String)> = url.expect("a form").query_pairs().into_owned().collect();
    let text = "271828 is your Countersign code to sign in. It works for 5 min. Pass it on to nobody. Not you? Tell your administrator.";
    let expected = [("To", NUMBER), ("Body", text), ("From", "+15005550006")];
    assert_eq!(
        fields,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert!(text.len() <= 160, "one part");
    server.mail_is_out().await;
    assert_eq!(notices(&server, "sent"), 1);
    let lines = logs::lines_with("text message for +1***23");
    assert!(!lines.is_empty(), "the log tells that it was sent");
}

async fn a_messaging_service_stands_in_the_place_of_a_number() {
    let gateway = Gateway::start().await;
    let server = Server::with(|settings| {
        twilio(settings, &gateway);
        settings.twilio_from = Some(TwilioSender::Service(SERVICE.to_owned()));
    })
    .await;
    post_code(&server).await;
    let request = gateway.next().await;
    assert_eq!(request.field("MessagingServiceSid"), SERVICE);
    assert_eq!(request.field("From"), "");
}

async fn what_twilio_cannot_do_now_is_tried_again() {
    let (server, gateway) = by_twilio().await;
    gateway.replies(&[
        Reply::Answer(429, r#"{"code":20429,"message":"Too Many Requests","more_info":"https://www.twilio.com/docs/errors/20429","status":429}"#),
        Reply::Answer(500, "oh"),
    ]);
    post_code(&server).await;
    tried(&server, 1).await;
    tried(&server, 2).await;
    assert_eq!(gateway.next().await.code(), "271828");
    assert_eq!(gateway.refused().len(), 2);
    server.mail_is_out().await;
    assert_eq!(notices(&server, "sent"), 1);
}

async fn a_twilio_that_hangs_is_tried_again() {
    let (server, gateway) = by_twilio().await;
    gateway.replies(&[Reply::Hang]);
    post_code(&server).await;
    tried(&server, 1).await;
    assert_eq!(gateway.next().await.code(), "271828");
}

async fn a_number_that_is_none_is_given_up() {
    let (server, gateway) = by_twilio().await;
    gateway.replies(&[Reply::Answer(400, r#"{"code":21211,"message":"The 'To' number +12025550123 is not a valid phone number.","more_info":"https://www.twilio.com/docs/errors/21211","status":400}"#)]);
    post_code(&server).await;
    server.mail_is_out().await;
    assert_eq!(notices(&server, "abandoned"), 1);
    assert_eq!((gateway.refused().len(), gateway.taken().len()), (1, 0));
    let told = logs::lines_with("error 21211");
    assert!(told.iter().all(|line| !line.contains(NUMBER)), "{told:?}");
    assert!(!told.is_empty());
}

async fn our_own_credentials_are_not_the_receivers_fault() {
    let (server, gateway) = by_twilio().await;
    gateway.replies(&[Reply::Answer(401, r#"{"code":20003,"message":"Authenticate","more_info":"https://www.twilio.com/docs/errors/20003","status":401}"#)]);
    post_code(&server).await;
    tried(&server, 1).await;
    gateway.next().await;
}

async fn by_webhook(secret: &str) -> (Server, Gateway) {
    let gateway = Gateway::start().await;
    let url = format!("{}/texts?to=phones", gateway.url());
    let server = Server::with(|settings| {
        settings.sms_webhook_url = Some(Secret::new(url));
        settings.sms_webhook_secret = Some(Secret::new(secret.to_owned()));
    })
    .await;
    (server, gateway)
}

async fn a_webhook_can_tell_who_sends() {
    let secret = "a-secret-of-thirty-two-characters";
    let (server, gateway) = by_webhook(secret).await;
    gateway.replies(&[Reply::Answer(503, "later")]);
    post_code(&server).await;
    tried(&server, 1).await;
    let request = gateway.next().await;
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/texts?to=phones")
    );
    assert_eq!(request.header("content-type"), "application/json");
    let id = request.header("webhook-id").to_owned();
    let body: contract_tests::Value = serde_json::from_str(&request.body).expect("JSON");
    let expected = json!({ "to": NUMBER, "body": request.text(), "purpose": "login", "id": id });
    assert_eq!(body, expected);
    assert_eq!(request.code(), "271828");
    let first = gateway.refused().remove(0);
    assert_eq!(first.header("webhook-id"), id, "one message, however often");
    for request in [first, request] {
        let time = request.header("webhook-timestamp").to_owned();
        let signed = format!("{id}.{time}.{}", request.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = request.header("webhook-signature").strip_prefix("v1,");
        let signature = STANDARD.decode(signature.expect("v1")).expect("base64");
        hmac::verify(&key, signed.as_bytes(), &signature).expect("it is signed");
    }
}

async fn a_webhook_secret_may_be_base64() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (server, gateway) = by_webhook(secret).await;
    post_code(&server).await;
    let request = gateway.next().await;
    let key = STANDARD.decode(&secret["whsec_".len()..]).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = format!(
        "{}.{}.{}",
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
        request.body
    );
    let signature = request.header("webhook-signature").strip_prefix("v1,");
    let signature = STANDARD.decode(signature.expect("v1")).expect("base64");
    hmac::verify(&key, signed.as_bytes(), &signature).expect("it is signed");
}

async fn without_a_sender_messages_are_written_beside_the_mails() {
    let server = Server::start().await;
    logs::code("271828");
    post_code(&server).await;
    let outbox = server.folder().join("outbox");
    let text = until("a file", async || {
        let mut entries = std::fs::read_dir(&outbox).ok()?.flatten();
        let whole = entries.find(|entry| entry.path().extension().is_some_and(|end| end == "sms"));
        std::fs::read_to_string(whole?.path()).ok()
    })
    .await;
    assert!(
        text.starts_with("To: +12025550123\n\n271828 is your"),
        "{text}"
    );
}

async fn what_is_no_code_is_told_by_mail_alone() {
    let (server, gateway) = by_twilio().await;
    post(&server, NUMBER, Message::SessionEnded).await;
    server.mail_is_out().await;
    assert_eq!(notices(&server, "abandoned"), 1);
    assert!(gateway.taken().is_empty());
}

async fn mails_that_hang_hold_up_no_text_message() {
    let gateway = Gateway::start().await;
    let server = Server::with(|settings| {
        twilio(settings, &gateway);
        settings.smtp_timeout_seconds = 7;
    })
    .await;
    server.mail.always(contract_tests::smtp::Reply::Silence);
    for number in 0..16 {
        post(&server, "alice@stuck.example", Message::SessionEnded).await;
        let email = format!("bob{number}@stuck.example");
        server.register(&email).await.is(202);
    }
    until("mails that hang, codes and notices", async || {
        (server.mail.begun() >= 6).then_some(())
    })
    .await;
    for _ in 0..3 {
        let before = given_up("stuck.example");
        post_code(&server).await;
        assert_eq!(gateway.code().await, "271828");
        if given_up("stuck.example") == before {
            return;
        }
        // A mail may have been given up just then, but not each time.
    }
    panic!("text messages leave only when a mail was given up");
}

async fn a_code_is_bound_to_the_host_of_public_url() {
    let gateway = Gateway::start().await;
    let server = Server::with(|settings| {
        twilio(settings, &gateway);
        settings.public_url = "https://login.example.com".to_owned();
    })
    .await;
    post_code(&server).await;
    let text = gateway.next().await.text();
    assert_eq!(text.lines().last(), Some("@login.example.com #271828"));
    assert!(
        text.starts_with("271828 is your Countersign code"),
        "{text}"
    );
    assert!(text.len() <= 160, "one part: {text}");
}

async fn a_code_of_twilios_says_whose_fault_it_is() {
    let (server, gateway) = by_twilio().await;
    // Failures of the receiver, whatever the status; and failures that will pass.
    gateway.replies(&[
        Reply::Answer(
            403,
            r#"{"code":21610,"message":"unsubscribed","status":403}"#,
        ),
        Reply::Answer(
            400,
            r#"{"code":21611,"message":"queue overflow","status":400}"#,
        ),
    ]);
    post_code(&server).await;
    server.mail_is_out().await;
    assert_eq!(notices(&server, "abandoned"), 1);
    post_code(&server).await;
    tried(&server, 1).await;
    assert_eq!(gateway.next().await.code(), "271828");
}
