#include "handlers/event_dispatch/channel_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "config/units.h"
#include "http/chars.h"
#include "shm/event_log.h"

namespace banyan::handlers {
namespace {

constexpr std::string_view kPages = "_channels";

// Null: an incomplete or wrong percent-encoding.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? http::chars::hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? http::chars::hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

Result<std::string> channel_name(std::string_view encoded, bool plus_is_space) {
  std::optional<std::string> name = decoded(encoded, plus_is_space);
  if (!name) return client_error(400, "the channel's name is encoded wrongly");
  if (const char* problem = channel_name_problem(*name)) return client_error(400, problem);
  return *std::move(name);
}

// C0, DEL and C1 (U+0080 to U+009F). REQUIRES: UTF-8.
bool has_control_characters(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<uint8_t>(name[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && static_cast<uint8_t>(name[i + 1]) < 0xa0) return true;
  }
  return false;
}

template <class Visit>
void each_part(std::string_view text, char separator, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Result<void> add_since(std::string_view value, EventQuery& query) {
  if (value.empty()) return {};
  while (true) {
    const size_t comma = value.find(',');
    const std::string_view part = value.substr(0, comma);
    const Resume resume{true, part == "first", shm::parse_event_id(part)};
    if (!resume.after && !resume.from_first) {
      return client_error(400, "since must be epoch:offset, as events say it, or \"first\"");
    }
    query.since.push_back(resume);
    if (comma == value.npos) return {};
    value.remove_prefix(comma + 1);
  }
}

Result<void> add_parameter(std::string_view name, std::string_view value, EventQuery& query) {
  if (name == "channel") {
    Result<std::string> channel = channel_name(value, true);
    if (!channel.ok()) return std::move(channel).error();
    if (std::find(query.channels.begin(), query.channels.end(), *channel) == query.channels.end()) {
      query.channels.push_back(*std::move(channel));
    }
    return {};
  }
  if (name != "since" && name != "wait" && name != "access_token") return {};
  std::optional<std::string> text = decoded(value, true);
  if (!text) return client_error(400, fmt::format("{} is encoded wrongly", name));
  if (name == "since") return add_since(*text, query);
  if (name == "access_token") {
    query.access_token = *std::move(text);
    return {};
  }
  Result<Millis> wait = config::parse_duration(*text);
  if (!wait.ok()) return client_error(400, "wait must be a duration such as 30s");
  query.wait = *wait;
  return {};
}

}  // namespace

const char* channel_name_problem(std::string_view name) {
  if (name.empty()) return "the channel has no name";
  if (name.size() > shm::EventLog::kLongestName) return "the channel's name is longer than 200 bytes";
  Utf8Check utf8;
  if (!utf8.add(name) || !utf8.complete()) return "the channel's name is not UTF-8";
  if (has_control_characters(name)) return "the channel's name has control characters in it";
  if (name == kPages || (name.starts_with(kPages) && name[kPages.size()] == '/')) {
    return "channels cannot be named _channels";
  }
  return nullptr;
}

Result<EventPlace> parse_event_place(std::string_view path, std::string_view mount) {
  const std::string_view rest = path.substr(std::min(mount.size(), path.size()));
  EventPlace place;
  if (rest.empty()) return place;
  if (rest == kPages || rest == "_channels/") {
    place.kind = EventPlace::Kind::all_pages;
    return place;
  }
  const bool page = rest.starts_with("_channels/");
  Result<std::string> name = channel_name(page ? rest.substr(kPages.size() + 1) : rest, false);
  if (!name.ok()) return std::move(name).error();
  place.kind = page ? EventPlace::Kind::one_page : EventPlace::Kind::channel;
  place.channel = *std::move(name);
  return place;
}

Result<EventQuery> parse_event_query(std::string_view query, std::string_view channel) {
  EventQuery parsed;
  if (!channel.empty()) parsed.channels.emplace_back(channel);
  Result<void> result;
  each_part(query, '&', [&](std::string_view pair) {
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    if (result.ok()) result = add_parameter(pair.substr(0, equals), value, parsed);
  });
  if (!result.ok()) return std::move(result).error();
  if (parsed.channels.empty()) return client_error(400, "no channel is named");
  if (parsed.since.size() > parsed.channels.size()) {
    return client_error(400, "since has more positions than there are channels");
  }
  return parsed;
}

std::vector<Resume> parse_last_event_id(std::string_view text) {
  std::vector<Resume> resumes;
  each_part(text, ',', [&](std::string_view part) {
    resumes.push_back({true, false, shm::parse_event_id(part)});
  });
  return resumes;
}

}  // namespace banyan::handlers
