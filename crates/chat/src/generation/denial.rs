//! What is said where the documents hold no answer, in the language of the question. It may be in
//! those that are still being processed.

use lyceum_store::is_chinese;

use crate::Retrieval;

/// What is answered, without asking a small model, where no passage is about the question: it
/// would make something up.
pub(super) fn nothing_found(question: &str, found: &Retrieval) -> String {
    let chinese = is_chinese(question);
    if found.nothing_is_ready() {
        return not_ready(chinese, found.being_read);
    }
    let denial = match chinese {
        true => "知识库的资料中没有找到这个问题的答案。",
        false => "The documents in the knowledge base do not hold an answer to this question.",
    };
    match found.being_read {
        0 => denial.to_owned(),
        documents => denial.to_owned() + &still_being_read(question, documents),
    }
}

/// What is answered where nothing can be searched yet.
fn not_ready(chinese: bool, documents: usize) -> String {
    match (chinese, documents) {
        (true, _) => format!("知识库中还有 {documents} 个文档正在处理，处理完成后才能回答。"),
        (false, 1) => {
            "1 document in the knowledge base is still being processed; ask again later.".to_owned()
        }
        (false, _) => format!(
            "{documents} documents in the knowledge base are still being processed; ask again later."
        ),
    }
}

/// What follows a denial while documents are still being processed: they may hold the answer.
pub(super) fn still_being_read(question: &str, documents: usize) -> String {
    match (is_chinese(question), documents) {
        (true, _) => format!("另有 {documents} 个文档仍在处理中，其中可能有答案。"),
        (false, 1) => " 1 document is still being processed and may have the answer.".to_owned(),
        (false, _) => {
            format!(" {documents} documents are still being processed and may have the answer.")
        }
    }
}

/// What a model is told that is to deny while documents are still being processed.
pub(super) fn being_processed(chinese: bool, documents: usize) -> String {
    match chinese {
        true => format!("知识库中还有 {documents} 个文档正在处理，也请说明这一点。"),
        false => format!(
            " Documents that are still being processed and cannot be searched yet: {documents}. Say \
             so, too."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetrievedChunk;

    #[test]
    fn a_denial_tells_of_documents_that_are_still_being_processed() {
        let chunks = [RetrievedChunk::default()];
        let found = |chunks: &[RetrievedChunk], being_read| Retrieval {
            chunks: chunks.to_vec(),
            being_read,
            ..Retrieval::default()
        };
        let said = |question: &str, chunks: &[RetrievedChunk], being_read| {
            nothing_found(question, &found(chunks, being_read))
        };
        assert!(!said("What?", &chunks, 0).contains("process"));
        assert!(
            said("What?", &chunks, 3)
                .ends_with("3 documents are still being processed and may have the answer.")
        );
        assert!(said("这是什么？", &chunks, 3).contains("没有找到"));
        assert!(said("这是什么？", &chunks, 3).contains("另有 3 个文档"));
        assert!(said("What?", &[], 1).starts_with("1 document in the knowledge base is still"));
        assert!(!said("这是什么？", &[], 2).contains("没有找到"));
        assert!(said("What?", &[], 0).contains("do not hold an answer"));
    }
}
