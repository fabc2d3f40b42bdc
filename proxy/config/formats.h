// The forms that values of configuration keys have, for the rows of a Section.
#pragma once

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/schema.h"
#include "config/section.h"
#include "config/units.h"

namespace banyan::config {

// A TOML string of the text, "${" escaped so that it reads back as the same text.
std::string quote(std::string_view text);
// How a secret is printed.
constexpr std::string_view kRedacted = "\"***\"";
// A key, in quotes if it needs them.
std::string key_text(std::string_view key);

// ---------------------------------------------------------------- simple values

Format<bool> flag();
Format<std::string> text();
Format<std::string> nonempty_text();
// The same as the format, but an empty text, which stands for "none", is not printed.
Format<std::string> text_or_none(Format<std::string> format = text());
Format<double> number(double least, double most);
// "250ms" "10s" "1h30m".
Format<Millis> duration(Millis least = Millis(0), Millis most = kLongestDuration);
// The same, but zero, which stands for "none", is not printed.
Format<Millis> duration_or_none(Format<Millis> format = duration());
// 4096 "64k" "10m".
Format<uint64_t> size(uint64_t least = 0, uint64_t most = std::numeric_limits<int64_t>::max());
// 0 to 100, as hundredths.
Format<uint32_t> percent();
Format<Rate> rate();
// A rate, or "off" for the count 0.
Format<Rate> rate_or_off();
// 2026-03-01T06:00:00Z, with or without quotes.
Format<WallTime> date_time();
// "18:00", "24:00".
Format<std::chrono::minutes> time_of_day();

// Reads a whole number; also a string from the environment.
bool read_integer(const Value& value, int64_t least, int64_t most, int64_t& result);

template <class V>
Format<V> integer(int64_t least, int64_t most) {
  return {"integer",
          [=](const Value& value, V& result) {
            int64_t wide = 0;
            if (!read_integer(value, least, most, wide)) return false;
            result = static_cast<V>(wide);
            return true;
          },
          [](const V& value) { return std::to_string(value); }};
}

// 0 in the struct is `word` in the file: "auto".
template <class V>
Format<V> integer_or(std::string word, int64_t least, int64_t most) {
  Format<V> plain = integer<V>(least, most);
  return {fmt::format("integer or \"{}\"", word),
          [=](const Value& value, V& result) {
            const Node& node = value.node();
            if (node.kind == Node::Kind::string && node.string == word) return result = 0, true;
            if (node.kind == Node::Kind::integer || node.from_environment) return plain.read(value, result);
            return value.wrong_type(fmt::format("an integer or \"{}\"", word));
          },
          [=](const V& value) { return value == 0 ? quote(word) : std::to_string(value); }};
}

// "\"a\", \"b\" or \"c\"".
std::string either(const std::vector<std::string_view>& words);

// Reads one of the words; reports the nearest otherwise. The index of the word, or nothing.
std::optional<size_t> read_word(const Value& value, const std::vector<std::string_view>& words);

// One of some words, each for a value of E. The words must be literals.
template <class E>
Format<E> choice(std::vector<std::pair<std::string_view, E>> choices) {
  std::vector<std::string_view> words;
  for (const auto& [word, meaning] : choices) words.push_back(word);
  return {either(words),
          [=](const Value& value, E& result) {
            std::optional<size_t> index = read_word(value, words);
            if (index) result = choices[*index].second;
            return index.has_value();
          },
          [=](const E& value) {
            for (const auto& [word, meaning] : choices) {
              if (meaning == value) return quote(word);
            }
            return std::string();
          }};
}

// ---------------------------------------------------------------- files and secrets

// A path, relative to the file that says it; absolute afterwards. `words` stand for themselves.
Format<std::string> path(std::vector<std::string_view> words = {});
// A file whose content is needed. Prints its path.
Format<FileRef> file();
// A string, or { file = "path" } whose line break at the end does not count. Prints "***".
Format<Secret> secret();

// ---------------------------------------------------------------- addresses and names

Format<Address> address();         // anything to connect to; a port other than 0
Format<Address> listen_address();  // numeric or a unix socket; port 0 lets the kernel choose
Format<Cidr> cidr();
Format<Target> target();
Format<ClientKey> client_key();
// Syntax checked with LoadOptions::check_regex.
Format<std::string> regex();
// Reports what is wrong with the pattern, if anything.
bool check_regex(const Value& value, std::string_view pattern);
// A field name, RFC 9110 section 5.1.
Format<std::string> header_name();
// { Name = "value", Other = ["a", "b"] }. Values of fields that carry credentials print as "***".
Format<std::vector<HeaderField>> header_fields();

// ---------------------------------------------------------------- made of others

// The same, refused when `wrong` returns a message.
template <class V>
Format<V> checked(Format<V> format, std::function<std::string(const V&)> wrong) {
  auto read = format.read;
  format.read = [read, wrong](const Value& value, V& result) {
    V candidate = result;
    if (!read(value, candidate)) return false;
    if (std::string message = wrong(candidate); !message.empty()) return value.error(message);
    result = std::move(candidate);
    return true;
  };
  return format;
}

template <class V>
Format<std::optional<V>> optional(Format<V> format) {
  Format<std::optional<V>> result;
  result.type = format.type;
  result.read = [read = format.read](const Value& value, std::optional<V>& result) {
    V candidate{};
    if (!read(value, candidate)) return false;
    result = std::move(candidate);
    return true;
  };
  result.print = [print = format.print](const std::optional<V>& value) { return value ? print(*value) : ""; };
  result.section = format.section;
  return result;
}

// [a, b]. With `one`, a single value without brackets is a list of one.
template <class V>
Format<std::vector<V>> list(Format<V> format, bool one = false) {
  Format<std::vector<V>> result;
  result.type = fmt::format("{}list of {}s", one ? fmt::format("{} or ", format.type) : "", format.type);
  result.read = [read = format.read, one](const Value& value, std::vector<V>& result) {
    std::vector<V> items;
    bool good = true;
    if (value.node().kind != Node::Kind::array) {
      if (!one) return value.wrong_type("a list in brackets");
      good = read(value, items.emplace_back());
    }
    for (size_t i = 0; i < value.node().items.size(); ++i) {
      good &= !value.node().items[i].broken && read(value.item(i), items.emplace_back());
    }
    if (good) result = std::move(items);
    return good;
  };
  result.print = [print = format.print](const std::vector<V>& values) {
    std::vector<std::string> texts;
    for (const V& value : values) texts.push_back(print(value));
    return fmt::format("[{}]", fmt::join(texts, ", "));
  };
  result.section = format.section;
  return result;
}

// A table with its own rows: { ... } or [key].
template <class T>
Format<T> table(const Section<T>& section) {
  return {"table",
          [&section](const Value& value, T& result) { return section.read(value, &result); },
          [&section](const T& value) { return section.print_inline(&value); },
          Shape::table,
          &section,
          [&section](const T& value, const Visit& visit) {
            visit({"", &section, &value, {}, ""});
          }};
}

// [[key]]. Wrong tables are in the list too, so that indexes and cross references hold.
template <class T>
Format<std::vector<T>> tables(const Section<T>& section) {
  return {"list of tables",
          [&section](const Value& value, std::vector<T>& result) {
            if (value.node().kind != Node::Kind::array) return value.wrong_type("a list of tables, [[...]]");
            bool good = true;
            for (size_t i = 0; i < value.node().items.size(); ++i) {
              good &= section.read(value.item(i), &result.emplace_back());
            }
            return good;
          },
          [](const std::vector<T>&) { return std::string(); },
          Shape::tables,
          &section,
          [&section](const std::vector<T>& values, const Visit& visit) {
            for (const T& value : values) visit({"", &section, &value, value.where, ""});
          }};
}

// Reports a name that is_name does not like.
bool check_name(const Value& table, const Entry& entry);

// [key.NAME], for a T with a member `name`.
template <class T>
Format<std::vector<T>> named(const Section<T>& section) {
  return {"table for each name",
          [&section](const Value& value, std::vector<T>& result) {
            if (value.node().kind != Node::Kind::table) return value.wrong_type("a table of named tables");
            bool good = true;
            for (const Entry& entry : value.node().entries) {
              good &= check_name(value, entry);
              result.emplace_back().name = entry.key;
              good &= section.read(value.entry(entry), &result.back());
            }
            return good;
          },
          [](const std::vector<T>&) { return std::string(); },
          Shape::named,
          &section,
          [&section](const std::vector<T>& values, const Visit& visit) {
            for (const T& value : values) visit({value.name, &section, &value, value.where, ""});
          }};
}

}  // namespace banyan::config
