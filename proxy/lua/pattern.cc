#include "lua/pattern.h"

#include <cstring>

namespace banyan::lua {
namespace {

// ---------------------------------------------------------------- character classes

bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
bool is_alpha(unsigned char c) { return is_lower(c) || is_upper(c); }
bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }
bool is_graphic(unsigned char c) { return c > 0x20 && c < 0x7f; }
bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_hex(unsigned char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// "%a" and its like; another letter stands for itself.
bool in_class(unsigned char c, char letter) {
  bool inside;
  switch (letter | 0x20) {
    case 'a':
      inside = is_alpha(c);
      break;
    case 'c':
      inside = is_control(c);
      break;
    case 'd':
      inside = is_digit(c);
      break;
    case 'g':
      inside = is_graphic(c);
      break;
    case 'l':
      inside = is_lower(c);
      break;
    case 'p':
      inside = is_graphic(c) && !is_alpha(c) && !is_digit(c);
      break;
    case 's':
      inside = is_space(c);
      break;
    case 'u':
      inside = is_upper(c);
      break;
    case 'w':
      inside = is_alpha(c) || is_digit(c);
      break;
    case 'x':
      inside = is_hex(c);
      break;
    case 'z':
      inside = c == '\0';  // not in the manual any more, still in the language
      break;
    default:
      return static_cast<unsigned char>(letter) == c;
  }
  return is_upper(static_cast<unsigned char>(letter)) ? !inside : inside;
}

}  // namespace

// ---------------------------------------------------------------- compiling

class PatternCompiler {
 public:
  explicit PatternCompiler(Pattern& pattern) : pattern_(pattern), text_(pattern.text_) {}

  const char* run() {
    while (at_ < text_.size() && !error_) next_item();
    if (!error_ && open_count_ > 0) error_ = "unfinished capture";
    return error_;
  }

  void skip_anchor() { ++at_; }

 private:
  using Kind = Pattern::Kind;
  using Repeat = Pattern::Repeat;
  using Item = Pattern::Item;

  void next_item() {
    char c = text_[at_];
    switch (c) {
      case '(':
        return open();
      case ')':
        return close();
      case '[':
        return set(Kind::set);
      case '%':
        return escape();
      case '.':
        ++at_;
        return single(Kind::any, at_ - 1, at_);
      case '$':
        if (at_ + 1 == text_.size()) {
          ++at_;
          return add(Kind::end, 0, 0);
        }
        break;
      default:
        break;
    }
    ++at_;
    single(Kind::literal, at_ - 1, at_);
  }

  void add(Kind kind, size_t begin, size_t end) {
    if (pattern_.item_count_ == Pattern::kMaxItems) {
      error_ = "pattern too complex";
      return;
    }
    pattern_.items_[pattern_.item_count_++] = {kind, Repeat::once, static_cast<uint16_t>(begin),
                                               static_cast<uint16_t>(end)};
  }

  // An item for one character, with the repetition that may follow it.
  void single(Kind kind, size_t begin, size_t end) {
    Repeat repeat = take_repeat();
    if (kind == Kind::literal && repeat == Repeat::once && extends_literal(begin)) {
      ++pattern_.items_[pattern_.item_count_ - 1].end;
      return;
    }
    add(kind, begin, end);
    if (!error_) pattern_.items_[pattern_.item_count_ - 1].repeat = repeat;
  }

  bool extends_literal(size_t begin) const {
    if (pattern_.item_count_ == 0) return false;
    const Item& last = pattern_.items_[pattern_.item_count_ - 1];
    return last.kind == Kind::literal && last.repeat == Repeat::once && last.end == begin;
  }

  Repeat take_repeat() {
    if (at_ == text_.size()) return Repeat::once;
    switch (text_[at_++]) {
      case '?':
        return Repeat::optional;
      case '*':
        return Repeat::star;
      case '+':
        return Repeat::plus;
      case '-':
        return Repeat::lazy;
      default:
        --at_;
        return Repeat::once;
    }
  }

  void open() {
    ++at_;
    if (pattern_.capture_count_ == Pattern::kMaxCaptures) {
      error_ = "too many captures";
      return;
    }
    size_t number = pattern_.capture_count_++;
    if (at_ < text_.size() && text_[at_] == ')') {
      ++at_;
      closed_[number] = true;
      return add(Kind::position, number, 0);
    }
    closed_[number] = false;
    open_[open_count_++] = static_cast<uint8_t>(number);
    add(Kind::open, number, 0);
  }

  void close() {
    ++at_;
    if (open_count_ == 0) {
      error_ = "invalid pattern capture";
      return;
    }
    size_t number = open_[--open_count_];
    closed_[number] = true;
    add(Kind::close, number, 0);
  }

  void escape() {
    ++at_;
    if (at_ == text_.size()) {
      error_ = "malformed pattern (ends with '%')";
      return;
    }
    char c = text_[at_++];
    if (c == 'b') return balance();
    if (c == 'f') return frontier();
    if (is_digit(static_cast<unsigned char>(c))) return back(c);
    bool letter = is_alpha(static_cast<unsigned char>(c));
    single(letter ? Kind::letter_class : Kind::literal, at_ - 1, at_);
  }

  void balance() {
    if (text_.size() - at_ < 2) {
      error_ = "malformed pattern (missing arguments to '%b')";
      return;
    }
    add(Kind::balance, at_, at_ + 2);
    at_ += 2;
  }

  void frontier() {
    if (at_ == text_.size() || text_[at_] != '[') {
      error_ = "missing '[' after '%f' in pattern";
      return;
    }
    set(Kind::frontier);
  }

  void back(char digit) {
    size_t number = static_cast<size_t>(digit - '1');
    if (digit == '0' || number >= pattern_.capture_count_ || !closed_[number]) {
      error_ = "invalid capture index in pattern";
      return;
    }
    add(Kind::back, number, 0);
  }

  // The item covers what stands between the brackets, a "^" included.
  void set(Kind kind) {
    size_t begin = ++at_;
    if (at_ < text_.size() && text_[at_] == '^') ++at_;
    for (bool first = true; first || at_ >= text_.size() || text_[at_] != ']'; first = false) {
      at_ += at_ < text_.size() && text_[at_] == '%' ? 2 : 1;
      if (at_ >= text_.size()) {
        error_ = "malformed pattern (missing ']')";
        return;
      }
    }
    size_t end = at_++;
    if (kind == Kind::set) return single(kind, begin, end);
    add(kind, begin, end);
  }

  Pattern& pattern_;
  std::string_view text_;
  size_t at_ = 0;
  const char* error_ = nullptr;
  size_t open_count_ = 0;
  std::array<uint8_t, Pattern::kMaxCaptures> open_;
  std::array<bool, Pattern::kMaxCaptures> closed_;
};

const char* Pattern::compile(std::string_view text, Anchor anchor) {
  text_ = text;
  item_count_ = 0;
  capture_count_ = 0;
  anchored_ = anchor == Anchor::allowed && text.starts_with('^');
  if (text.size() > UINT16_MAX) return "pattern too long";
  PatternCompiler compiler(*this);
  if (anchored_) compiler.skip_anchor();
  return compiler.run();
}

// ---------------------------------------------------------------- matching

Matcher::Result Matcher::search(size_t start) {
  for (; start <= subject_.size(); ++start) {
    Result result = match_at(start);
    if (result != Result::failed || pattern_.anchored_) return result;
  }
  return Result::failed;
}

Matcher::Result Matcher::match_at(size_t start) {
  choice_count_ = 0;
  size_t at = start;
  size_t index = 0;
  while (index < pattern_.item_count_) {
    if (!pay(1)) return Result::exhausted;
    bool matched = step(pattern_.items_[index], at, index);
    if (matched) {
      ++index;
    } else if (exhausted_ || !step_back(at, index)) {
      return exhausted_ ? Result::exhausted : Result::failed;
    }
  }
  if (!pay(1)) return Result::exhausted;
  begin_ = start;
  end_ = at;
  return Result::matched;
}

bool Matcher::step(const Item& item, size_t& at, size_t index) {
  switch (item.kind) {
    case Pattern::Kind::open:
      captures_[item.begin] = {at, at, false};
      return true;
    case Pattern::Kind::position:
      captures_[item.begin] = {at, at, true};
      return true;
    case Pattern::Kind::close:
      captures_[item.begin].end = at;
      return true;
    case Pattern::Kind::end:
      return at == subject_.size();
    case Pattern::Kind::balance:
      return balance(item, at);
    case Pattern::Kind::frontier:
      return frontier(item, at);
    case Pattern::Kind::back:
      return same_again(item, at);
    default:
      return repeat(item, at, index);
  }
}

// A literal run, or an item for one character with its repetition.
bool Matcher::repeat(const Item& item, size_t& at, size_t index) {
  if (item.repeat == Pattern::Repeat::once) {
    if (item.kind == Pattern::Kind::literal) {
      std::string_view run = pattern_.text_.substr(item.begin, item.end - item.begin);
      if (subject_.compare(at, run.size(), run) != 0 || !pay(run.size() / 16)) return false;
      at += run.size();
      return true;
    }
    return single(item, at) && ++at;
  }
  size_t least = at;
  if (item.repeat == Pattern::Repeat::plus) {
    if (!single(item, at)) return false;
    least = ++at;
  }
  size_t most = item.repeat == Pattern::Repeat::optional ? at + 1 : subject_.size();
  if (item.repeat != Pattern::Repeat::lazy) {
    while (at < most && single(item, at)) ++at;
  }
  if (exhausted_) return false;
  choices_[choice_count_++] = {static_cast<uint16_t>(index), least, at};
  return true;
}

// Lets the newest choice that can still change do so, and goes on behind its item.
bool Matcher::step_back(size_t& at, size_t& index) {
  while (choice_count_ > 0 && pay(1)) {
    Choice& choice = choices_[choice_count_ - 1];
    const Item& item = pattern_.items_[choice.item];
    bool changed;
    if (item.repeat == Pattern::Repeat::lazy) {
      changed = single(item, choice.current);
      if (changed) ++choice.current;
    } else {
      changed = choice.current > choice.least;
      if (changed) --choice.current;
    }
    if (changed) {
      at = choice.current;
      index = choice.item + size_t{1};
      return true;
    }
    --choice_count_;
  }
  return false;
}

bool Matcher::single(const Item& item, size_t at) {
  if (at >= subject_.size() || !pay(1)) return false;
  auto c = static_cast<unsigned char>(subject_[at]);
  switch (item.kind) {
    case Pattern::Kind::any:
      return true;
    case Pattern::Kind::letter_class:
      return in_class(c, pattern_.text_[item.begin]);
    case Pattern::Kind::set:
      return in_set(item, c);
    default:
      return c == static_cast<unsigned char>(pattern_.text_[item.begin]);
  }
}

bool Matcher::in_set(const Item& item, unsigned char c) {
  if (!pay((item.end - item.begin) / 8u)) return false;
  std::string_view set = pattern_.text_.substr(item.begin, item.end - item.begin);
  bool negated = set.starts_with('^');
  if (negated) set.remove_prefix(1);
  bool inside = false;
  for (size_t i = 0; i < set.size() && !inside; ++i) {
    auto low = static_cast<unsigned char>(set[i]);
    if (low == '%' && i + 1 < set.size()) {
      inside = in_class(c, set[++i]);
    } else if (i + 2 < set.size() && set[i + 1] == '-') {
      inside = low <= c && c <= static_cast<unsigned char>(set[i + 2]);
      i += 2;
    } else {
      inside = low == c;
    }
  }
  return inside != negated;
}

bool Matcher::balance(const Item& item, size_t& at) {
  char open = pattern_.text_[item.begin];
  char close = pattern_.text_[item.begin + 1u];
  if (at >= subject_.size() || subject_[at] != open) return false;
  size_t depth = 1;
  for (size_t i = at + 1; i < subject_.size() && pay(1); ++i) {
    if (subject_[i] == close) {
      if (--depth > 0) continue;
      at = i + 1;
      return true;
    }
    if (subject_[i] == open) ++depth;
  }
  return false;
}

bool Matcher::frontier(const Item& item, size_t at) {
  auto before = static_cast<unsigned char>(at == 0 ? '\0' : subject_[at - 1]);
  auto here = static_cast<unsigned char>(at == subject_.size() ? '\0' : subject_[at]);
  return !in_set(item, before) && in_set(item, here);
}

bool Matcher::same_again(const Item& item, size_t& at) {
  const Capture& capture = captures_[item.begin];
  if (capture.position) return false;  // as in Lua
  size_t size = capture.end - capture.begin;
  if (!pay(size / 16) || subject_.size() - at < size) return false;
  if (std::memcmp(subject_.data() + capture.begin, subject_.data() + at, size) != 0) return false;
  at += size;
  return true;
}

}  // namespace banyan::lua
