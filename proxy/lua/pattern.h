// Lua patterns (Lua 5.4 manual, section 6.4.1) with a matcher that can be stopped.
//
// The C library's matcher recurses and knows no end: ("a"):rep(5000):find((".-"):rep(30) .. "b") holds a
// worker for years. Here a pattern becomes a flat list of items; as Lua patterns have no groups to repeat, an
// item has at most one live choice ("how much did I take?"), so the whole state of a search is one short
// stack, every step is paid from the call's Meter, and a capture is simply written again when its item runs
// again.
//
// Two differences to the C library: classes are those of ASCII whatever the locale, and a malformed pattern
// is an error at once, not only when the matching gets there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lua/meter.h"

namespace banyan::lua {

class Pattern {
 public:
  static constexpr size_t kMaxItems = 200;
  static constexpr size_t kMaxCaptures = 32;
  enum class Anchor { allowed, literal };  // what a leading "^" is; gmatch knows no anchor

  // Null, or what is wrong with the text. The text must outlive the pattern. REQUIRES: text below 64 KiB.
  const char* compile(std::string_view text, Anchor anchor);

  size_t captures() const { return capture_count_; }
  bool anchored() const { return anchored_; }

 private:
  friend class Matcher;
  friend class PatternCompiler;

  enum class Kind : uint8_t {
    literal,
    any,
    letter_class,
    set,
    balance,
    frontier,
    back,
    open,
    position,
    close,
    end
  };
  enum class Repeat : uint8_t { once, optional, star, plus, lazy };
  struct Item {
    Kind kind;
    Repeat repeat;
    uint16_t begin;  // into text_: literal run, class letter, inside of a set, the two of a balance;
    uint16_t end;    // or in `begin` the number of the capture
  };

  std::string_view text_;
  std::array<Item, kMaxItems> items_;  // the first item_count_ are valid; the rest is left as it was
  size_t item_count_ = 0;
  size_t capture_count_ = 0;
  bool anchored_ = false;
};

// One search with a pattern. Lives on the stack of a C function, so it has no destructor to miss.
class Matcher {
 public:
  enum class Result { matched, failed, exhausted };  // exhausted: a limit, see Meter::reached
  struct Capture {
    size_t begin;
    size_t end;
    bool position;  // "()": only `begin` counts
  };

  Matcher(const Pattern& pattern, std::string_view subject, Meter& meter)
      : pattern_(pattern), subject_(subject), meter_(meter) {}

  // Tries at `start`, and unless the pattern is anchored at every later place.
  Result search(size_t start);
  // Tries at `start` only.
  Result match_at(size_t start);

  // After `matched`.
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  const Capture& capture(size_t index) const { return captures_[index]; }

 private:
  using Item = Pattern::Item;
  // Where to go on when a later item fails: the item may take less (greedy) or more (lazy).
  struct Choice {
    uint16_t item;
    size_t least;    // greedy: the shortest end allowed
    size_t current;  // the end it has now
  };

  bool step(const Item& item, size_t& at, size_t index);
  bool repeat(const Item& item, size_t& at, size_t index);
  bool step_back(size_t& at, size_t& index);
  bool single(const Item& item, size_t at);
  bool in_set(const Item& item, unsigned char c);
  bool balance(const Item& item, size_t& at);
  bool frontier(const Item& item, size_t at);
  bool same_again(const Item& item, size_t& at);
  bool pay(uint64_t units) {
    exhausted_ = exhausted_ || !meter_.spend(units);
    return !exhausted_;
  }

  const Pattern& pattern_;
  std::string_view subject_;
  Meter& meter_;
  bool exhausted_ = false;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t choice_count_ = 0;
  std::array<Capture, Pattern::kMaxCaptures> captures_;
  std::array<Choice, Pattern::kMaxItems> choices_;
};

}  // namespace banyan::lua
