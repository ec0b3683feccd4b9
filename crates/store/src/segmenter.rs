use std::sync::LazyLock;

use jieba_rs::Jieba;

/// The one dictionary of the program, for the words of the full-text indexes: Chinese is written
/// without spaces, so PostgreSQL cannot find its words. The first call reads it, which takes a
/// moment and some memory.
pub fn jieba() -> &'static Jieba {
    static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);
    &JIEBA
}
