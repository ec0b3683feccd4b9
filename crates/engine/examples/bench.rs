//! Compares the engine, end to end through its process and socket, with a bare llama-cpp-2 loop on
//! the same file and threads: `cargo run --release -p lyceum-engine --example bench -- [REPEATS]`.
//! The two sides take turns; the ratio's median and range are printed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use futures::StreamExt;
use futures::future::join_all;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use lyceum_engine::catalogue::Catalogue;
use lyceum_engine::{EngineConfig, LocalEngine};
use lyceum_llm::{
    ChatEvent, ChatMessage, ChatModel, ChatRequest, EmbeddingModel, EmbeddingRequest,
    EmbeddingTask, Role,
};

const ANSWER: u32 = 96;
const PASSAGES: usize = 192;

fn prompt(number: usize) -> String {
    let text = "The library keeps maps, letters and diaries of travellers. ".repeat(12);
    format!("Note {number}. {text} Write a long story about one of them.")
}

/// Tokens per second of a greedy answer, prompt included, and of its tokens after the first.
struct Speed {
    whole: f64,
    answer: f64,
}

fn speed(tokens: u32, begun: Instant, first: Instant) -> Speed {
    let tokens = f64::from(tokens);
    Speed {
        whole: tokens / begun.elapsed().as_secs_f64(),
        answer: (tokens - 1.0) / first.elapsed().as_secs_f64(),
    }
}

struct Bare {
    backend: LlamaBackend,
    threads: i32,
}

impl Bare {
    fn load(&self, file: &Path) -> LlamaModel {
        LlamaModel::load_from_file(&self.backend, file, &LlamaModelParams::default()).unwrap()
    }

    fn chat(&self, model: &LlamaModel, text: &str) -> Speed {
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(1024))
            .with_n_batch(512)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads);
        let mut context = model.new_context(&self.backend, parameters).unwrap();
        let begun = Instant::now();
        let text = format!("<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n");
        let tokens = model.vocab().tokenize(text.as_bytes(), false, true);
        let mut batch = LlamaBatch::new(512, 1);
        batch.add_sequence(&tokens, 0, false).unwrap();
        context.decode(&mut batch).unwrap();
        let mut sampler = LlamaSampler::greedy();
        let mut token = sampler.sample(&context, batch.n_tokens() - 1);
        let first = Instant::now();
        let mut text = model.vocab().token_to_piece(token, false, None);
        let mut count = 1;
        while count < ANSWER && !model.vocab().is_eog(token) {
            batch.clear();
            batch.add(token, tokens.len() as i32 + count as i32 - 1, &[0], true).unwrap();
            context.decode(&mut batch).unwrap();
            token = sampler.sample(&context, 0);
            text.extend(model.vocab().token_to_piece(token, false, None));
            count += 1;
        }
        speed(count, begun, first)
    }

    /// Texts per second.
    fn embed(&self, model: &LlamaModel, texts: &[String]) -> f64 {
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(512))
            .with_n_batch(512)
            .with_n_ubatch(512)
            .with_n_seq_max(64)
            .with_kv_unified(true)
            .with_embeddings(true)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads);
        let mut context = model.new_context(&self.backend, parameters).unwrap();
        let begun = Instant::now();
        let tokens: Vec<_> = texts
            .iter()
            .map(|text| model.vocab().tokenize(format!("passage: {text}").as_bytes(), true, false))
            .collect();
        let mut batch = LlamaBatch::new(512, 1);
        let (mut done, mut next) = (0, 0);
        while next < tokens.len() {
            batch.clear();
            let from = next;
            while next < tokens.len() && batch.n_tokens() as usize + tokens[next].len() <= 512 {
                batch.add_sequence(&tokens[next], (next - from) as i32, true).unwrap();
                next += 1;
            }
            context.encode(&mut batch).unwrap();
            done += (0..next - from)
                .filter(|index| context.embeddings_seq_ith(*index as i32).unwrap().len() == 384)
                .count();
        }
        assert_eq!(done, texts.len());
        texts.len() as f64 / begun.elapsed().as_secs_f64()
    }
}

async fn chat(engine: &LocalEngine, model: &str, text: &str) -> Speed {
    let begun = Instant::now();
    let mut request = ChatRequest::new(model, vec![ChatMessage::text(Role::User, text)]);
    request.max_tokens = Some(ANSWER);
    request.temperature = Some(0.0);
    let mut stream = engine.chat(request).await.unwrap();
    let (mut first, mut count) = (begun, 0);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ChatEvent::Text(_) if first == begun => first = Instant::now(),
            ChatEvent::Finished { usage, .. } => count = usage.unwrap().completion_tokens as u32,
            _ => {}
        }
    }
    speed(count, begun, first)
}

async fn embed(engine: &LocalEngine, texts: &[String]) -> f64 {
    let begun = Instant::now();
    let request = EmbeddingRequest {
        model: "multilingual-e5-small".to_owned(),
        input: texts.to_vec(),
        task: EmbeddingTask::Passage,
        dimensions: None,
    };
    let response = engine.embed(request).await.unwrap();
    assert_eq!(response.embeddings.len(), texts.len());
    texts.len() as f64 / begun.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn report(name: &str, pairs: &[(f64, f64)]) {
    let mut ours: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let mut bare: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair.0 / pair.1).collect();
    let ((ours, ..), (bare, ..)) = (median(&mut ours), median(&mut bare));
    let (ratio, least, most) = median(&mut ratios);
    println!(
        "{name}: engine {ours:.1}/s, bare {bare:.1}/s, ratio {ratio:.2} ({least:.2}–{most:.2})"
    );
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "engine") {
        tokio::task::spawn_blocking(|| lyceum_engine::child::main().unwrap()).await.unwrap();
        return;
    }
    let repeats = arguments.first().map_or(5, |repeats| repeats.parse().unwrap());
    let cores = std::thread::available_parallelism().unwrap().get();
    let threads = std::env::var("THREADS").map_or(cores, |threads| threads.parse().unwrap());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{cores} cores, {threads} threads, load {}", load.trim());

    let folder = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::new(std::env::current_exe().unwrap(), folder.path());
    config.threads = Some(threads);
    let models = config.models.clone();
    let engine = LocalEngine::start(config).await.unwrap();
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let bare = Bare { backend, threads: threads as i32 };
    let catalogue = Catalogue::built_in();

    for id in ["smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"] {
        let Ok(file) = catalogue.find(id).unwrap().check(&models) else { continue };
        let model = bare.load(&file);
        chat(&engine, id, "warm up").await;
        let (mut whole, mut answer) = (Vec::new(), Vec::new());
        for repeat in 0..repeats {
            let text = prompt(repeat);
            let theirs = bare.chat(&model, &text);
            let ours = chat(&engine, id, &text).await;
            whole.push((ours.whole, theirs.whole));
            answer.push((ours.answer, theirs.answer));
        }
        report(&format!("{id}, prompt and answer"), &whole);
        report(&format!("{id}, answer alone"), &answer);
        let mut pairs = Vec::new();
        for repeat in 0..repeats.min(3) {
            let alone = chat(&engine, id, &prompt(100 + repeat)).await.whole;
            let texts: Vec<_> = (0..8).map(|number| prompt(200 + repeat * 8 + number)).collect();
            let begun = Instant::now();
            join_all(texts.iter().map(|text| chat(&engine, id, text))).await;
            pairs.push((8.0 * f64::from(ANSWER) / begun.elapsed().as_secs_f64(), alone));
        }
        report(&format!("{id}, 8 at once against 1 (both the engine)"), &pairs);
    }

    let file = catalogue.find("multilingual-e5-small").unwrap().check(&models).unwrap();
    let model = bare.load(&file);
    let sentence = "混合 text: the museum opens at nine, 周一闭馆, and tickets cost twelve euros. ";
    let texts: Vec<_> =
        (0..PASSAGES).map(|i| format!("{i} {}", sentence.repeat(1 + i % 8))).collect();
    embed(&engine, &texts[..8]).await;
    let mut pairs = Vec::new();
    for _ in 0..repeats {
        let theirs = bare.embed(&model, &texts);
        pairs.push((embed(&engine, &texts).await, theirs));
    }
    report("embedding, texts", &pairs);
    engine.shutdown().await;
}
