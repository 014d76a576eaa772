//! A queue of a test's own, which nothing of the stack reads.

use aws_sdk_sqs::Client as Sqs;
use serde_json::{Value, json};
use tests::stack::Stack;

pub(crate) struct OwnQueue {
    sqs: Sqs,
    pub(crate) url: String,
}

impl OwnQueue {
    pub(crate) async fn new(stack: &Stack) -> Self {
        let sqs = stack.sqs();
        let name = uuid::Uuid::now_v7().to_string();
        let url = sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        Self { sqs, url }
    }

    /// Takes everything out, as the records of a consumer's event.
    pub(crate) async fn take(&self) -> Vec<Value> {
        let mut records = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let received = receive.send().await.unwrap();
            if received.messages().is_empty() {
                return records;
            }
            for message in received.messages() {
                let receipt = message.receipt_handle().unwrap();
                self.sqs.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await.unwrap();
                records.push(json!({"messageId": message.message_id(), "body": message.body()}));
            }
        }
    }

    /// As [`OwnQueue::take`]: the messages themselves.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let records = self.take().await;
        records.iter().map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap()).collect()
    }

    pub(crate) async fn delete(self) {
        self.sqs.delete_queue().queue_url(&self.url).send().await.unwrap();
    }
}
