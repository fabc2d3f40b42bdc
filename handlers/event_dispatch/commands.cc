#include "handlers/event_dispatch/commands.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "handlers/batch_fetch/json_text.h"

namespace banyan::handlers {
namespace {

using Json = nlohmann::json;

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

// A member that must be a string if it is there.
bool read_text(const Json& object, const char* name, std::string& text, CommandError& error) {
  const auto found = object.find(name);
  if (found == object.end()) return true;
  if (!found->is_string()) {
    error.detail = fmt::format("\"{}\" must be a string", name);
    return false;
  }
  text = found->get<std::string>();
  return true;
}

bool read_type(const Json& object, Command& command, CommandError& error) {
  std::string type;
  if (!read_text(object, "type", type, error)) return false;
  if (type == "subscribe") {
    command.type = Command::Type::subscribe;
  } else if (type == "unsubscribe") {
    command.type = Command::Type::unsubscribe;
  } else if (type == "publish") {
    command.type = Command::Type::publish;
  } else if (type == "ping") {
    command.type = Command::Type::ping;
  } else {
    error.detail = "\"type\" must be subscribe, unsubscribe, publish or ping";
    return false;
  }
  return true;
}

bool read_since(const Json& object, Command& command, CommandError& error) {
  std::string since;
  if (!read_text(object, "since", since, error)) return false;
  if (since.empty()) return true;
  command.since = {true, since == "first", shm::parse_event_id(since)};
  if (!command.since.after && !command.since.from_first) {
    error.detail = "\"since\" must be epoch:offset, as events say it, or \"first\"";
    return false;
  }
  return true;
}

bool read_data(const Json& object, Command& command, CommandError& error) {
  if (!read_text(object, "key", command.key, error)) return false;
  const auto data = object.find("data");
  if (data != object.end()) {
    command.kind = data->is_string() ? shm::EventKind::text : shm::EventKind::json;
    command.data = data->is_string() ? data->get<std::string>() : data->dump();
    return true;
  }
  std::string base64;
  if (!read_text(object, "data_base64", base64, error)) return false;
  command.kind = shm::EventKind::binary;
  command.data = read_base64(base64);
  if (!object.contains("data_base64") || (command.data.empty() && !base64.empty())) {
    error.detail = "there is no \"data\", nor \"data_base64\"";
    return false;
  }
  return true;
}

bool read_command(const Json& object, Command& command, CommandError& error) {
  if (!read_type(object, command, error)) return false;
  if (command.type == Command::Type::ping) return true;
  if (!read_text(object, "channel", command.channel, error)) return false;
  if (const char* problem = channel_name_problem(command.channel)) {
    error.detail = problem;
    return false;
  }
  if (command.type == Command::Type::subscribe) return read_since(object, command, error);
  return command.type != Command::Type::publish || read_data(object, command, error);
}

}  // namespace

bool parse_command(std::string_view text, Command& command, CommandError& error) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) {
    error.detail = "a message must be a JSON object";
    return false;
  }
  const auto id = object.find("id");
  if (id != object.end() && (id->is_string() || id->is_number())) command.id = error.id = id->dump();
  return read_command(object, command, error);
}

void append_subscribed(std::string& out, const HubChannel& channel, uint64_t after, std::string_view id) {
  append_object(
      out, "subscribed",
      fmt::format("{},\"epoch\":{},\"offset\":{}", members(channel.name, id), channel.epoch, after));
}

void append_answer(std::string& out, std::string_view type, std::string_view channel, std::string_view id) {
  append_object(out, type, members(channel, id));
}

void append_published(std::string& out, std::string_view channel, shm::EventId event, std::string_view id) {
  append_object(
      out, "published",
      fmt::format("{},\"epoch\":{},\"offset\":{}", members(channel, id), event.epoch, event.offset));
}

void append_error(std::string& out, const CommandError& error) {
  std::string json = members({}, error.id);
  json += fmt::format(",\"status\":{},\"detail\":", error.status);
  append_json_string(json, error.detail);
  append_object(out, "error", json);
}

}  // namespace banyan::handlers
