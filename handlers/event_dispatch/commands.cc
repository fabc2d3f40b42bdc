#include "handlers/event_dispatch/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_text.h"

namespace banyan::handlers {
namespace {

// The JSON members of an answer, each with a comma before it.
std::string members(std::string_view channel, std::string_view id) {
  std::string json;
  if (!channel.empty()) {
    json += ",\"channel\":";
    append_json_string(json, channel);
  }
  if (!id.empty()) json.append(",\"id\":").append(id);
  return json;
}

void append_object(std::string& out, std::string_view type, std::string_view json) {
  append_ws_text(out, fmt::format("{{\"type\":\"{}\"{}}}", type, json));
}

// Where parse_command() looks for what.
enum Member : size_t { kType, kId, kChannel, kSince, kEvent };
using Members = std::array<JsonMember, kEvent + kEventMembers.size()>;

Members wanted_members() {
  Members members = {JsonMember{"type"}, {"id"}, {"channel"}, {"since"}};
  std::ranges::copy(kEventMembers, members.begin() + kEvent);
  return members;
}

bool is_id(std::string_view value) {
  return !value.empty() && (value[0] == '"' || value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
}

Result<Command::Type> read_type(const JsonMember& found) {
  const Result<std::string> type = read_text_member(found);
  if (!type.ok()) return type.error();
  if (*type == "subscribe") return Command::Type::subscribe;
  if (*type == "unsubscribe") return Command::Type::unsubscribe;
  if (*type == "publish") return Command::Type::publish;
  if (*type == "ping") return Command::Type::ping;
  return client_error(400, "\"type\" must be subscribe, unsubscribe, publish or ping");
}

Result<std::string> read_channel(const JsonMember& found) {
  Result<std::string> channel = read_text_member(found);
  if (!channel.ok()) return channel;
  if (const char* problem = channel_name_problem(*channel)) return client_error(400, problem);
  return channel;
}

Result<Resume> read_since(const JsonMember& found) {
  const Result<std::string> since = read_text_member(found);
  if (!since.ok()) return since.error();
  if (since->empty()) return Resume();
  const Resume resume{true, *since == "first", shm::parse_event_id(*since)};
  if (!resume.after && !resume.from_first) {
    return client_error(400, "\"since\" must be epoch:offset, as events say it, or \"first\"");
  }
  return resume;
}

// Moves what was read to its place. False: there is a problem.
template <class T>
bool store(Result<T> read, T& place, CommandError& error) {
  if (read.ok()) {
    place = *std::move(read);
    return true;
  }
  error.status = read.error().status;
  error.detail = read.error().message;
  return false;
}

bool read_command(const Members& found, Command& command, CommandError& error) {
  if (!store(read_type(found[kType]), command.type, error)) return false;
  if (command.type == Command::Type::ping) return true;
  if (!store(read_channel(found[kChannel]), command.channel, error)) return false;
  if (command.type == Command::Type::subscribe) return store(read_since(found[kSince]), command.since, error);
  if (command.type == Command::Type::unsubscribe) return true;
  return store(read_event_members(std::span(found).subspan<kEvent>()), command.event, error);
}

}  // namespace

bool parse_command(std::string_view text, Command& command, CommandError& error) {
  Members found = wanted_members();
  if (!find_json_members(text, found)) {
    error.detail =
        fmt::format("a message must be a JSON object, nested {} levels deep at most", kDeepestJson);
    return false;
  }
  if (is_id(found[kId].value)) command.id = error.id = found[kId].value;
  return read_command(found, command, error);
}

void append_subscribed(std::string& out, const HubChannel& channel, uint64_t after, std::string_view id) {
  append_object(
      out, "subscribed",
      fmt::format("{},\"epoch\":{},\"offset\":{}", members(channel.name, id), channel.epoch, after));
}

void append_answer(std::string& out, std::string_view type, std::string_view channel, std::string_view id) {
  append_object(out, type, members(channel, id));
}

void append_published(std::string& out, std::string_view channel, const PublishAnswer& answer,
                      std::string_view id) {
  append_object(out, "published",
                fmt::format("{},\"epoch\":{},\"offset\":{}{}", members(channel, id), answer.id.epoch,
                            answer.id.offset, answer.repeated ? ",\"repeated\":true" : ""));
}

void append_error(std::string& out, const CommandError& error) {
  std::string json = members({}, error.id);
  json += fmt::format(",\"status\":{},\"detail\":", error.status);
  append_json_string(json, error.detail);
  append_object(out, "error", json);
}

}  // namespace banyan::handlers
