//! A queue of a test's own, which nothing of the stack reads.

use std::time::Duration;

use aws_sdk_sqs::{Client as Sqs, types::Message};
use serde_json::{Value, json};

use crate::stack::Stack;

pub struct OwnQueue {
    pub sqs: Sqs,
    pub url: String,
}

impl OwnQueue {
    pub async fn new(stack: &Stack) -> Self {
        let sqs = stack.sqs();
        let name = uuid::Uuid::now_v7().to_string();
        let url = sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        Self { sqs, url }
    }

    /// What is in it, as a consumer is given it; it comes again after `hidden`, since nothing is deleted.
    pub async fn receive(&self, hidden: Duration) -> Vec<Value> {
        self.read(hidden).await.iter().map(as_given).collect()
    }

    /// Takes everything out, as a consumer is given it.
    pub async fn take(&self) -> Vec<Value> {
        let messages = self.read(Duration::from_mins(1)).await;
        for message in &messages {
            let receipt = message.receipt_handle().unwrap();
            self.sqs.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await.unwrap();
        }
        messages.iter().map(as_given).collect()
    }

    async fn read(&self, hidden: Duration) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let received = receive.visibility_timeout(i32::try_from(hidden.as_secs()).unwrap()).send().await.unwrap();
            if received.messages().is_empty() {
                return messages;
            }
            messages.extend(received.messages.unwrap_or_default());
        }
    }

    /// As [`OwnQueue::take`]: the messages themselves.
    pub async fn messages(&self) -> Vec<Value> {
        let records = self.take().await;
        records.iter().map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap()).collect()
    }

    pub async fn delete(self) {
        self.sqs.delete_queue().queue_url(&self.url).send().await.unwrap();
    }
}

fn as_given(message: &Message) -> Value {
    json!({"messageId": message.message_id(), "body": message.body()})
}
