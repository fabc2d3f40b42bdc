#include "config/formats.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "config/config.h"
#include "config/date_time.h"
#include "config/names.h"

namespace banyan::config {
namespace {

// A Format of strings that a function turns into V, the error's message saying what is wrong.
template <class V>
Format<V> parsed(std::string type, std::string expected, Result<V> (*parse)(std::string_view),
                 std::function<std::string(const V&)> print) {
  return {std::move(type),
          [expected, parse](const Value& value, V& result) {
            const std::string* text = value.string(expected);
            if (!text) return false;
            Result<V> parsed = parse(*text);
            if (!parsed) return value.error(parsed.error().message);
            result = std::move(*parsed);
            return true;
          },
          std::move(print)};
}

// The bytes of a file that `value` names; null after an error.
const std::string* read_content(const Value& value, const std::string& path) {
  const SourceFile& source = value.reader().sources().file(path);
  if (source.error.empty()) return &source.content;
  value.error(fmt::format("cannot read {}: {}", path, source.error));
  return nullptr;
}

bool read_path(const Value& value, std::string& result) {
  const std::string* text = value.string("a path");
  if (!text) return false;
  if (text->empty()) return value.error("must not be empty");
  if (text->find('\0') != std::string::npos) return value.error("must not contain NUL");
  result = value.reader().absolute(value.node().where, *text);
  return true;
}

bool read_number(const Value& value, double& result) {
  const Node& node = value.node();
  if (node.kind == Node::Kind::integer) return result = static_cast<double>(node.integer), true;
  if (node.kind == Node::Kind::number) return result = node.number, true;
  if (node.kind != Node::Kind::string || !node.from_environment) return value.wrong_type("a number");
  const std::string& text = node.string;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error == std::errc() && end == text.data() + text.size()) return true;
  return value.error("must be a number, found a string from the environment");
}

std::string bounds(int64_t least, int64_t most) {
  if (most == std::numeric_limits<int64_t>::max()) return fmt::format("must be at least {}", least);
  return fmt::format("must be {} to {}", least, most);
}

// The content of { file = "path" }, without the line break that editors leave at the end.
bool read_secret_file(const Value& value, std::string& result) {
  for (const Entry& entry : value.node().entries) {
    if (entry.key != "file") return value.key(entry).error("unknown key" + suggestion(entry.key, {"file"}));
  }
  if (!value.has("file")) return value.error("must be a string or { file = \"path\" }");
  std::string path;
  const Value file = value.at("file");
  if (!read_path(file, path)) return false;
  const std::string* content = read_content(file, path);
  if (!content) return false;
  std::string_view text = *content;
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return file.error(fmt::format("{} is empty", path));
  result = text;
  return true;
}

}  // namespace

std::string quote(std::string_view text) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      if (c == '$' && text.substr(i).starts_with("${")) result += '$';
      result += c;
    }
  }
  return result + "\"";
}

std::string key_text(std::string_view key) {
  if (is_bare_key(key)) return std::string(key);
  // Keys do not read the environment, so "$" stands for itself there.
  std::string quoted = quote(key);
  for (size_t at = quoted.find("$${"); at != std::string::npos; at = quoted.find("$${", at + 1))
    quoted.erase(at, 1);
  return quoted;
}

Format<bool> flag() {
  return {"boolean",
          [](const Value& value, bool& result) {
            const Node& node = value.node();
            if (node.kind == Node::Kind::boolean) return result = node.flag, true;
            if (node.from_environment && (node.string == "true" || node.string == "false")) {
              return result = node.string == "true", true;
            }
            return value.wrong_type("true or false");
          },
          [](const bool& value) { return std::string(value ? "true" : "false"); }};
}

Format<std::string> text() {
  return {"string",
          [](const Value& value, std::string& result) {
            const std::string* text = value.string("a string");
            if (text) result = *text;
            return text != nullptr;
          },
          [](const std::string& value) { return quote(value); }};
}

Format<std::string> nonempty_text() {
  Format<std::string> format = checked<std::string>(
      text(), [](const std::string& value) { return value.empty() ? "must not be empty" : ""; });
  // An empty default is "not set", which cannot be written.
  format.print = [](const std::string& value) { return value.empty() ? "" : quote(value); };
  return format;
}

Format<double> number(double least, double most) {
  return {"number",
          [=](const Value& value, double& result) {
            double wide = 0;
            if (!read_number(value, wide)) return false;
            if (!(wide >= least && wide <= most))
              return value.error(fmt::format("must be {} to {}", least, most));
            result = wide;
            return true;
          },
          [](const double& value) {
            // TOML wants a digit after the point or none; "1e+20" is fine too.
            return fmt::format("{}", value);
          }};
}

Format<Millis> duration(Millis least, Millis most) {
  return {
      "duration",
      [=](const Value& value, Millis& result) {
        const Node& node = value.node();
        if (node.kind == Node::Kind::integer && node.integer == 0 && least == Millis(0)) {
          return result = Millis(0), true;
        }
        if (node.kind == Node::Kind::integer && node.integer > 0) {
          return value.error(
              fmt::format("must be a duration with its unit, \"{0}s\" or \"{0}ms\"", node.integer));
        }
        const std::string* text = value.string("a duration such as \"10s\"");
        if (!text) return false;
        Result<Millis> parsed = parse_duration(*text);
        if (!parsed) return value.error(parsed.error().message);
        if (*parsed < least || *parsed > most) {
          return value.error(fmt::format("must be {} to {}", format_duration(least), format_duration(most)));
        }
        result = *parsed;
        return true;
      },
      [](const Millis& value) { return quote(format_duration(value)); }};
}

Format<std::string> text_or_none(Format<std::string> format) {
  format.print = [print = format.print](const std::string& value) {
    return value.empty() ? std::string() : print(value);
  };
  return format;
}

Format<Millis> duration_or_none(Format<Millis> format) {
  format.print = [print = format.print](const Millis& value) {
    return value == Millis(0) ? std::string() : print(value);
  };
  return format;
}

Format<uint64_t> size(uint64_t least, uint64_t most) {
  return {
      "size",
      [=](const Value& value, uint64_t& result) {
        const Node& node = value.node();
        uint64_t bytes = 0;
        if (node.kind == Node::Kind::integer) {
          if (node.integer < 0) return value.error("must not be negative");
          bytes = static_cast<uint64_t>(node.integer);
        } else {
          const std::string* text = value.string("a size such as 4096, \"64k\" or \"10m\"");
          if (!text) return false;
          Result<uint64_t> parsed = parse_size(*text);
          if (!parsed) return value.error(parsed.error().message);
          bytes = *parsed;
        }
        if (bytes < least || bytes > most) {
          return value.error(most == std::numeric_limits<int64_t>::max()
                                 ? fmt::format("must be at least {}", format_size(least))
                                 : fmt::format("must be {} to {}", format_size(least), format_size(most)));
        }
        result = bytes;
        return true;
      },
      [](const uint64_t& value) { return quote(format_size(value)); }};
}

Format<uint32_t> percent() {
  return {"percentage",
          [](const Value& value, uint32_t& result) {
            double percent = 0;
            if (!read_number(value, percent)) return false;
            Result<uint32_t> hundredths = to_hundredths(percent);
            if (!hundredths) return value.error(hundredths.error().message);
            result = *hundredths;
            return true;
          },
          [](const uint32_t& value) { return format_percent(value); }};
}

Format<Rate> rate() {
  return parsed<Rate>("rate", "a rate such as \"100/s\"", parse_rate, [](const Rate& value) {
    return value.count == 0 ? std::string() : quote(format_rate(value));
  });
}

Format<Rate> rate_or_off() {
  Format<Rate> format = rate();
  format.type = "rate or \"off\"";
  format.read = [read = format.read](const Value& value, Rate& result) {
    if (value.node().kind == Node::Kind::string && value.node().string == "off") return result = {}, true;
    return read(value, result);
  };
  format.print = [print = format.print](const Rate& value) {
    return value.count == 0 ? quote("off") : print(value);
  };
  return format;
}

Format<WallTime> date_time() {
  return {"date and time",
          [](const Value& value, WallTime& result) {
            if (value.node().kind != Node::Kind::time &&
                !value.string("a date and time such as 2026-03-01T06:00:00Z")) {
              return false;
            }
            Result<WallTime> parsed = parse_date_time(value.node().string);
            if (!parsed) return value.error(parsed.error().message);
            result = *parsed;
            return true;
          },
          [](const WallTime& value) { return format_date_time(value); }};
}

Format<std::chrono::minutes> time_of_day() {
  return parsed<std::chrono::minutes>(
      "time of day", "a time of day such as \"18:00\"", parse_time_of_day,
      [](const std::chrono::minutes& value) { return quote(format_time_of_day(value)); });
}

bool read_integer(const Value& value, int64_t least, int64_t most, int64_t& result) {
  const Node& node = value.node();
  int64_t number = node.integer;
  if (node.kind == Node::Kind::string && node.from_environment) {
    const std::string& text = node.string;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return value.wrong_type("an integer");
  } else if (node.kind != Node::Kind::integer) {
    return value.wrong_type("an integer");
  }
  if (number < least || number > most) return value.error(bounds(least, most));
  result = number;
  return true;
}

std::string either(const std::vector<std::string_view>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 == words.size() ? " or " : ", ", words[i]);
  }
  return text;
}

std::optional<size_t> read_word(const Value& value, const std::vector<std::string_view>& words) {
  const std::string expected = either(words);
  const std::string* text = value.string(expected);
  if (!text) return std::nullopt;
  auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  const std::string_view near = nearest(*text, words);
  value.error(fmt::format("must be {}, found {}{}", expected, value.node().describe(),
                          near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
  return std::nullopt;
}

Format<std::string> path(std::vector<std::string_view> words) {
  const std::string type = words.empty() ? "path" : fmt::format("path, {}", either(words));
  return {type,
          [words](const Value& value, std::string& result) {
            const std::string& text = value.node().string;
            if (value.node().kind == Node::Kind::string &&
                std::find(words.begin(), words.end(), text) != words.end()) {
              result = text;
              return true;
            }
            return read_path(value, result);
          },
          [](const std::string& value) { return value.empty() ? std::string() : quote(value); }};
}

Format<FileRef> file() {
  return {"file",
          [](const Value& value, FileRef& result) {
            std::string path;
            if (!read_path(value, path)) return false;
            const std::string* content = read_content(value, path);
            if (!content) return false;
            result = {std::move(path), *content};
            return true;
          },
          [](const FileRef& value) { return value.empty() ? std::string() : quote(value.path); }};
}

Format<Secret> secret() {
  return {"string or { file = \"path\" }",
          [](const Value& value, Secret& result) {
            if (value.node().kind == Node::Kind::table) return read_secret_file(value, result.value);
            // What was found may be the secret: it is not shown.
            if (value.node().kind != Node::Kind::string) {
              return value.error("must be a string or { file = \"path\" }");
            }
            if (value.node().string.empty()) return value.error("must not be empty");
            result.value = value.node().string;
            return true;
          },
          [](const Secret& value) { return value.empty() ? std::string() : std::string(kRedacted); }};
}

Format<Address> address() {
  Format<Address> format =
      parsed<Address>("address", "an address such as \"127.0.0.1:3000\" or \"unix:/run/x.sock\"",
                      parse_address, [](const Address& value) { return quote(value.text()); });
  return checked<Address>(format, [](const Address& value) {
    return value.port == 0 && value.kind != Address::Kind::unix_socket ? "port must be 1 to 65535" : "";
  });
}

Format<Address> listen_address() {
  Format<Address> format =
      parsed<Address>("address", "an address such as \"0.0.0.0:8080\", \"[::]:8443\" or \"unix:/run/x.sock\"",
                      parse_address, [](const Address& value) { return quote(value.text()); });
  return checked<Address>(format, [](const Address& value) {
    return value.kind == Address::Kind::name ? "must be a numeric address such as \"0.0.0.0:8080\"" : "";
  });
}

Format<Cidr> cidr() {
  return parsed<Cidr>("network", "a network such as \"10.0.0.0/8\"", parse_cidr,
                      [](const Cidr& value) { return quote(value.text()); });
}

Format<Target> target() {
  return parsed<Target>("target", "\"upstream.NAME\", \"handler.NAME\" or \"rollout.NAME\"", parse_target,
                        [](const Target& value) { return quote(value.text()); });
}

Format<ClientKey> client_key() {
  return parsed<ClientKey>("client key", "\"cookie:NAME\", \"header:NAME\" or \"client_ip\"",
                           parse_client_key, [](const ClientKey& value) { return quote(value.text()); });
}

bool check_name(const Value& table, const Entry& entry) {
  if (is_name(entry.key)) return true;
  return table.key(entry).error(
      "name must be 1 to 64 letters, digits, - or _, beginning with a letter or digit");
}

}  // namespace banyan::config
