#include "lua/source_scan.h"

#include <algorithm>
#include <string>

namespace banyan::lua {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct Token {
  enum class Kind { end, name, text, mark };
  Kind kind = Kind::end;
  std::string_view text;  // of a text without its quotes; of a mark one character
  int line = 0;
};

// Lua's tokens as far as they matter here: names and numbers, texts, single marks. Comments are skipped. On a
// source that does not compile it gives some tokens and the end.
class Tokens {
 public:
  explicit Tokens(std::string_view source) : source_(source) {}

  Token next() {
    skip_blanks();
    if (at_ >= source_.size()) return {Token::Kind::end, {}, line_};
    char c = source_[at_];
    if (c == '"' || c == '\'') return quoted(c);
    if (size_t level = bracket_level(); level > 0) return {Token::Kind::text, bracketed(level), line_};
    size_t begin = at_;
    while (at_ < source_.size() && is_name_char(source_[at_])) ++at_;
    if (at_ > begin) return {Token::Kind::name, source_.substr(begin, at_ - begin), line_};
    ++at_;
    return {Token::Kind::mark, source_.substr(begin, 1), line_};
  }

 private:
  void skip_blanks() {
    while (at_ < source_.size()) {
      char c = source_[at_];
      if (c == '\n') ++line_;
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else if (source_.substr(at_).starts_with("--")) {
        at_ += 2;
        if (size_t level = bracket_level(); level > 0) {
          bracketed(level);
        } else {
          at_ = std::min(source_.find('\n', at_), source_.size());
        }
      } else {
        return;
      }
    }
  }

  // 1 for "[[", 2 for "[=[" and so on, 0 for anything else.
  size_t bracket_level() const {
    if (at_ >= source_.size() || source_[at_] != '[') return 0;
    size_t i = at_ + 1;
    while (i < source_.size() && source_[i] == '=') ++i;
    return i < source_.size() && source_[i] == '[' ? i - at_ : 0;
  }

  std::string_view bracketed(size_t level) {
    std::string close = "]" + std::string(level - 1, '=') + "]";
    size_t begin = at_ + level + 1;
    size_t end = std::min(source_.find(close, begin), source_.size());
    std::string_view text = source_.substr(begin, end - begin);
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    at_ = std::min(end + close.size(), source_.size());
    return text;
  }

  Token quoted(char quote) {
    size_t begin = ++at_;
    while (at_ < source_.size() && source_[at_] != quote && source_[at_] != '\n') {
      if (source_[at_] == '\\' && source_.substr(at_ + 1).starts_with('\n')) ++line_;
      at_ += source_[at_] == '\\' ? 2 : 1;
    }
    size_t end = std::min(at_, source_.size());
    at_ = std::min(end + 1, source_.size());
    std::string_view text = source_.substr(begin, end - begin);
    return {Token::Kind::text, text, line_};
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
};

bool is_mark(const Token& token, std::string_view marks) {
  return token.kind == Token::Kind::mark && marks.find(token.text) != std::string_view::npos;
}

// What the tokens between a bracket or keyword and its end belong to.
enum class Block { returned_table, other };

// Finds `target = TEXT` that is a whole entry of a returned table. The blocks around a token are kept on a
// stack, so that an assignment in a function in such a table is not taken for an entry.
class Scan {
 public:
  void take(const Token& token) {
    if (stage_ == Stage::value && is_mark(token, ",;}")) found_.push_back({value_.text, value_.line});
    stage_ = next_stage(token);
    value_ = token;
    follow_blocks(token);
    after_return_ = token.kind == Token::Kind::name && token.text == "return";
  }

  std::vector<TargetLiteral> take_found() { return std::move(found_); }

 private:
  enum class Stage { nothing, separator, key, equals, value };

  Stage next_stage(const Token& token) const {
    bool in_table = !blocks_.empty() && blocks_.back() == Block::returned_table;
    if (is_mark(token, "{")) return after_return_ ? Stage::separator : Stage::nothing;
    if (!in_table) return Stage::nothing;
    if (is_mark(token, ",;")) return Stage::separator;
    bool key = token.kind == Token::Kind::name && token.text == "target";
    if (stage_ == Stage::separator && key) return Stage::key;
    if (stage_ == Stage::key && is_mark(token, "=")) return Stage::equals;
    bool plain = token.kind == Token::Kind::text && token.text.find('\\') == std::string_view::npos;
    return stage_ == Stage::equals && plain ? Stage::value : Stage::nothing;
  }

  void follow_blocks(const Token& token) {
    if (token.kind == Token::Kind::text) return;
    constexpr std::string_view kOpening[] = {"{", "(", "[", "function", "if", "do", "repeat"};
    constexpr std::string_view kClosing[] = {"}", ")", "]", "end", "until"};
    if (std::find(std::begin(kOpening), std::end(kOpening), token.text) != std::end(kOpening)) {
      blocks_.push_back(after_return_ && token.text == "{" ? Block::returned_table : Block::other);
    } else if (std::find(std::begin(kClosing), std::end(kClosing), token.text) != std::end(kClosing)) {
      if (!blocks_.empty()) blocks_.pop_back();
    }
  }

  std::vector<Block> blocks_;
  bool after_return_ = false;
  Stage stage_ = Stage::nothing;
  Token value_;
  std::vector<TargetLiteral> found_;
};

}  // namespace

std::vector<TargetLiteral> find_target_literals(std::string_view source) {
  Scan scan;
  Tokens tokens(source);
  for (Token token = tokens.next(); token.kind != Token::Kind::end; token = tokens.next()) scan.take(token);
  return scan.take_found();
}

}  // namespace banyan::lua
