//! Sessions: refreshed, ended, and ended for good.

use bson::{Bson, Document, doc};
use futures_util::{TryStreamExt, future::join_all};
use serde_json::{Value, json};
use shared::clock;
use tests::{
    host::{Function, may_be_told_again},
    proxy::Proxy,
    stack::stack,
    test_env::{TestEnv, sign_in, tokens_told},
};

async fn refresh(session: &Function, token: &Value) -> (u64, Value) {
    let answer = session.post("/api/auth/refresh", &json!({"refreshToken": token})).await;
    tokens_told(&answer.body);
    (answer.status, answer.body)
}

/// How a session answers who shows its access token.
async fn shown(session: &Function, tokens: &Value) -> u64 {
    session.get_as(tokens["accessToken"].as_str().unwrap(), "/api/auth/session").await.status
}

async fn sign_out(session: &Function, tokens: &Value) -> u64 {
    session.post_as(tokens["accessToken"].as_str().unwrap(), "/api/auth/logout", &json!({})).await.status
}

fn sessions(env: &TestEnv) -> mongodb::Collection<Document> {
    env.database.collection("sessions")
}

/// As a minute later: no refresh token that was used may come again.
pub(crate) async fn used_long_ago(env: &TestEnv) {
    let set = doc! {"$set": {"usedAt": ago(1)}};
    sessions(env).update_many(doc! {"usedAt": {"$ne": null}}, set).await.unwrap();
}

/// The statuses of the answers to one token sent by all of these at once, and the tokens of those that were served.
async fn refresh_at_once(functions: &[Function], token: &Value) -> (Vec<u64>, Vec<Value>) {
    let body = json!({"refreshToken": token});
    let answers = join_all(functions.iter().map(|session| session.post("/api/auth/refresh", &body))).await;
    let statuses = answers.iter().map(|answer| answer.status).collect();
    (statuses, answers.into_iter().filter(|answer| answer.status == 200).map(|answer| answer.body).collect())
}

fn ago(minutes: i64) -> clock::Moment {
    clock::now() - jiff::SignedDuration::from_mins(minutes)
}

/// As twenty minutes later: no access token of a session that ended lives, and no account need remember it.
async fn twenty_minutes_pass(env: &TestEnv) {
    let people: Vec<Document> = env.users().find(doc! {}).await.unwrap().try_collect().await.unwrap();
    for mut person in people {
        let id = person.get_str("_id").unwrap().to_owned();
        let Ok(ended) = person.get_array_mut("endedSessions") else { continue };
        for session in ended.iter_mut().filter_map(Bson::as_document_mut) {
            session.insert("at", ago(20));
        }
        let set = doc! {"$set": {"endedSessions": ended.clone()}};
        env.users().update_one(doc! {"_id": &id}, set).await.unwrap();
        env.forget(&id).await;
    }
}

#[tokio::test]
async fn a_session_lives_by_its_refresh_tokens_and_ends_when_one_comes_twice() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let session = env.function("auth-session").await;
    let access = tokens["accessToken"].as_str().unwrap();
    let shown = session.get_as(access, "/api/auth/session").await;
    assert_eq!((shown.status, &shown.body["email"]), (200, &ada["email"]), "{}", shown.text);

    let (status, second) = refresh(&session, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
    let (status, third) = refresh(&session, &second["refreshToken"]).await;
    assert_eq!(status, 200);
    // The first one again, and its successor is used: one of them was stolen.
    assert_eq!(refresh(&session, &tokens["refreshToken"]).await.0, 401);
    assert_eq!(refresh(&session, &third["refreshToken"]).await.0, 401, "the whole family is over");
    let ended = session.get_as(third["accessToken"].as_str().unwrap(), "/api/auth/session").await;
    assert_eq!(ended.status, 401, "and so are its access tokens");
    assert_eq!(env.audited("security.refresh.reused").await, 1);
    assert_eq!(refresh(&session, &json!("rt_made-up")).await.0, 401);
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_within_moments_gives_the_same_one_again() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let (here, there) = (env.function("auth-session").await, env.function("auth-session").await);
    let (status, second) = refresh(&here, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
    // The answer was lost: the same request once more, also elsewhere.
    for session in [&here, &there] {
        may_be_told_again(second["refreshToken"].as_str().unwrap());
        let answer = session.post("/api/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["refreshToken"], second["refreshToken"]);
        assert_eq!(answer.body["refreshExpiresAt"], second["refreshExpiresAt"]);
        assert_eq!(shown(session, &answer.body).await, 200);
    }
    assert_eq!(sessions(&env).count_documents(doc! {}).await.unwrap(), 2, "one use, one successor");
    assert_eq!(env.audited("security.refresh.reused").await, 0);
    let stored: Vec<Document> = sessions(&env).find(doc! {}).await.unwrap().try_collect().await.unwrap();
    assert!(!format!("{stored:?}").contains("rt_"), "no refresh token is kept in the clear");

    let (status, third) = refresh(&here, &second["refreshToken"]).await;
    assert_eq!(status, 200, "{third}");
    used_long_ago(&env).await;
    assert_eq!(refresh(&here, &second["refreshToken"]).await.0, 401, "later it is a copy");
    assert_eq!(refresh(&there, &third["refreshToken"]).await.0, 401, "and the session is over");
    assert_eq!(shown(&here, &third).await, 401);
    assert_eq!(env.audited("security.refresh.reused").await, 1);
}

#[tokio::test]
async fn a_refresh_token_whose_first_answer_was_never_made_gives_a_successor() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    // As left by a function that ended after it had marked the token.
    let set = doc! {"$set": {"usedAt": clock::now()}};
    assert_eq!(sessions(&env).update_many(doc! {}, set).await.unwrap().modified_count, 1);
    let (status, second) = refresh(&env.function("auth-session").await, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
}

#[tokio::test]
async fn a_used_refresh_token_gives_nothing_once_its_session_ended() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let session = env.function("auth-session").await;
    let tokens = env.sign_in(&ada).await;
    let (status, second) = refresh(&session, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
    assert_eq!(sign_out(&session, &second).await, 204);
    for tokens in [&tokens, &second] {
        assert_eq!(refresh(&session, &tokens["refreshToken"]).await.0, 401);
    }
    assert_eq!(sessions(&env).count_documents(doc! {}).await.unwrap(), 0);
    assert_eq!(env.audited("security.refresh.reused").await, 0, "nobody copied anything");
}

#[tokio::test]
async fn a_refresh_token_that_comes_several_times_at_once_gives_one_successor_and_later_ends_its_session() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let login = env.function("auth-login").await;
    let functions = join_all((0..3).map(|_| env.function("auth-session"))).await;
    for round in 0..6 {
        let tokens = sign_in(&login, &ada).await;
        let (statuses, served) = refresh_at_once(&functions, &tokens["refreshToken"]).await;
        assert_eq!(statuses, [200; 3], "round {round}");
        assert!(served.iter().all(|tokens| tokens["refreshToken"] == served[0]["refreshToken"]), "round {round}");
        let unused = sessions(&env).count_documents(doc! {"usedAt": null}).await.unwrap();
        assert_eq!(unused, 1, "round {round}: two sessions never come from one");
        used_long_ago(&env).await;
        let elsewhere = env.function("auth-session").await;
        assert_eq!(refresh(&elsewhere, &tokens["refreshToken"]).await.0, 401, "round {round}");
        // Every other time nobody looks at the session until all but the store have forgotten it.
        let later = round % 2 == 1;
        if later {
            twenty_minutes_pass(&env).await;
        }
        for tokens in served.iter().chain([&tokens]) {
            assert_eq!(refresh(&elsewhere, &tokens["refreshToken"]).await.0, 401, "round {round}: the session is over");
            assert!(later || shown(&elsewhere, tokens).await == 401, "round {round}: and so are its access tokens");
        }
    }
    assert_eq!(env.audited("security.refresh.reused").await, 6);
}

#[tokio::test]
async fn signing_out_is_in_force_elsewhere_within_seconds() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let (phone, laptop) = (env.sign_in(&ada).await, env.sign_in(&ada).await);
    let (here, there) = (env.function("auth-session").await, env.function("user-activity").await);
    let access = phone["accessToken"].as_str().unwrap();
    assert_eq!(here.post_as(access, "/api/auth/logout", &json!({})).await.status, 204);
    assert_eq!(there.get_as(access, "/api/user/stats").await.status, 401, "not even once elsewhere");
    assert_eq!(here.get_as(access, "/api/auth/session").await.status, 401);
    assert_eq!(refresh(&here, &phone["refreshToken"]).await.0, 401);
    let other = laptop["accessToken"].as_str().unwrap();
    assert_eq!(there.get_as(other, "/api/user/stats").await.status, 200, "the other session goes on");
}

#[tokio::test]
async fn signing_out_while_a_refresh_is_under_way_leaves_no_session_alive() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let login = env.function("auth-login").await;
    let (here, there) = (env.function("auth-session").await, env.function("auth-session").await);
    for round in 0..6 {
        let before = sign_in(&login, &ada).await;
        let (out, (status, after)) = tokio::join!(sign_out(&here, &before), refresh(&there, &before["refreshToken"]));
        assert_eq!(out, 204);
        assert!([200, 401].contains(&status), "{after}");
        let later = round % 2 == 1;
        if later {
            twenty_minutes_pass(&env).await;
        }
        let elsewhere = env.function("auth-session").await;
        // The new one first: the old one, used twice, would end whatever is left.
        for tokens in [&after, &before].into_iter().filter(|tokens| tokens["refreshToken"].is_string()) {
            assert_eq!(refresh(&elsewhere, &tokens["refreshToken"]).await.0, 401, "round {round}");
            assert!(later || shown(&elsewhere, tokens).await == 401, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_session_ends_ninety_days_after_its_sign_in_however_often_it_is_refreshed() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let tokens = env.sign_in(&ada).await;
    let session = env.function("auth-session").await;
    let signed_in = async |days: i64| {
        let set = doc! {"$set": {"familySince": ago(days * 24 * 60)}};
        assert!(sessions(&env).update_many(doc! {}, set).await.unwrap().matched_count > 0);
    };
    signed_in(89).await;
    let (status, second) = refresh(&session, &tokens["refreshToken"]).await;
    assert_eq!(status, 200, "{second}");
    let since = sessions(&env).distinct("familySince", doc! {}).await.unwrap();
    assert_eq!(since.len(), 1, "a refresh does not begin anew: {since:?}");
    signed_in(91).await;
    let (status, refused) = refresh(&session, &second["refreshToken"]).await;
    assert_eq!(status, 401, "{refused}");
    env.sign_in(&ada).await;
}

#[tokio::test]
async fn without_valkey_a_session_is_begun_refreshed_and_ended() {
    let address = stack().redis_address();
    if address.is_empty() {
        return;
    }
    for lost in [false, true] {
        let proxy = Proxy::to(address.clone()).await;
        let redis = if lost { format!("redis://127.0.0.1:{}", proxy.port) } else { "redis://127.0.0.1:1".to_owned() };
        let env = TestEnv::with(&redis, &stack().mongodb_uri).await;
        let ada = env.newcomer().await;
        let (login, session) = (env.function("auth-login").await, env.function("auth-session").await);
        if lost {
            // It is there for a first session, and goes away.
            let tokens = sign_in(&login, &ada).await;
            assert_eq!(shown(&session, &tokens).await, 200);
            assert!(proxy.total() > 0);
            proxy.cut();
        }
        let tokens = sign_in(&login, &ada).await;
        assert_eq!(shown(&session, &tokens).await, 200, "{lost}");
        let (status, second) = refresh(&session, &tokens["refreshToken"]).await;
        assert_eq!(status, 200, "{lost}: {second}");
        assert_eq!(shown(&session, &second).await, 200, "{lost}");
        assert_eq!(sign_out(&session, &second).await, 204, "{lost}");
        assert_eq!(shown(&session, &second).await, 401, "{lost}");
        assert_eq!(refresh(&session, &second["refreshToken"]).await.0, 401, "{lost}");
        sign_in(&login, &ada).await;
    }
}

#[tokio::test]
async fn ones_sessions_are_listed_and_ended_one_by_one_or_all_others_at_once() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let session = env.function("auth-session").await;
    let (phone, laptop, tablet) = (env.sign_in(&ada).await, env.sign_in(&ada).await, env.sign_in(&ada).await);
    let token = |tokens: &Value| tokens["accessToken"].as_str().unwrap().to_owned();
    let (status, phone_again) = refresh(&session, &phone["refreshToken"]).await;
    assert_eq!(status, 200);
    let list = async |by: &Value| session.get_as(&token(by), "/api/auth/sessions").await;
    let listed = list(&phone_again).await;
    let sessions = listed.body["sessions"].as_array().unwrap_or_else(|| panic!("{}", listed.text));
    let current: Vec<bool> = sessions.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [true, false, false], "one each, the one used last first: {}", listed.text);
    assert!(!listed.text.contains("efresh") && sessions[0]["userAgent"] == "test", "{}", listed.text);

    let laptops = list(&laptop).await;
    let own = laptops.body["sessions"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    let path = format!("/api/auth/sessions/{}", own["id"].as_str().unwrap());
    assert_eq!(session.delete_as(&token(&phone_again), &path).await.status, 204);
    assert_eq!(session.delete_as(&token(&phone_again), &path).await.status, 404);
    assert_eq!((shown(&session, &laptop).await, refresh(&session, &laptop["refreshToken"]).await.0), (401, 401));
    assert_eq!(shown(&session, &tablet).await, 200);
    assert_eq!(session.delete_as(&token(&phone_again), "/api/auth/sessions").await.status, 204);
    assert_eq!((shown(&session, &tablet).await, shown(&session, &phone_again).await), (401, 200));
    assert_eq!(env.audited("auth.session.ended").await, 2);
}

#[tokio::test]
async fn an_account_has_twenty_sessions_and_a_new_one_ends_the_oldest() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let (login, session) = (env.function("auth-login").await, env.function("auth-session").await);
    let first = sign_in(&login, &ada).await;
    let id = first["user"]["id"].as_str().unwrap();
    let old: Vec<Document> = (0..19)
        .map(|n| {
            let at = ago(60 + n);
            doc! {
                "_id": format!("row {n}"), "userId": id, "familyId": format!("family {n}"), "familySince": at,
                "refreshHash": format!("hash {n}"), "sessionVersion": 0_i64, "userAgent": "", "ip": "",
                "createdAt": at, "expiresAt": clock::now() + jiff::SignedDuration::from_hours(1),
            }
        })
        .collect();
    sessions(&env).insert_many(old).await.unwrap();
    let second = sign_in(&login, &ada).await;
    let families = sessions(&env).distinct("familyId", doc! {}).await.unwrap();
    assert!(families.len() == 20 && !families.contains(&Bson::from("family 18")), "the oldest goes: {families:?}");
    assert_eq!((shown(&session, &first).await, shown(&session, &second).await), (200, 200));
}
