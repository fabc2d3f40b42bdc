// What clients tell event_dispatch: commands of banyan.v1, lines of a batch, queries, and data for a schema.
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/commands.h"
#include "handlers/event_dispatch/event_members.h"
#include "handlers/event_dispatch/event_schema.h"

namespace banyan::handlers {
namespace {

void check_event_members(const EventMembers& event) {
  if (event.kind != shm::EventKind::binary) CHECK(is_utf8(event.data));
  if (event.kind == shm::EventKind::json) CHECK(is_json(event.data));
}

void check_command(std::string_view text) {
  Command command;
  CommandError error;
  if (!parse_command(text, command, error)) {
    CHECK(error.status >= 400 && error.status < 500 && !error.detail.empty());
    std::string out;
    append_error(out, error);
    return;
  }
  CHECK(command.type == Command::Type::ping || !channel_name_problem(command.channel));
  CHECK(command.id.empty() || is_json(command.id));
  check_event_members(command.event);
}

void check_line(std::string_view text) {
  const auto line = parse_batch_line(text);
  if (!line.ok()) {
    CHECK(line.error().status == 400 && !line.error().message.empty());
    return;
  }
  check_event_members(line->event);
}

void check_query(std::string_view text) {
  const auto query = parse_event_query(text, "here");
  if (!query.ok()) {
    CHECK(query.error().status == 400);
  } else {
    CHECK(!query->channels.empty() && query->since.size() <= query->channels.size());
    for (const std::string& channel : query->channels) CHECK(!channel_name_problem(channel));
  }
  parse_last_event_id(text);
  const auto place = parse_event_place("/p/" + std::string(text), "/p/");
  if (place.ok() && place->kind == EventPlace::Kind::channel) CHECK(!channel_name_problem(place->channel));
}

void check(std::string_view text) {
  check_command(text);
  check_line(text);
  check_query(text);
  static const EventSchema schema = {{"id", EventFieldType::string},
                                     {"count", EventFieldType::integer, true},
                                     {"at", EventFieldType::time, true},
                                     {"rest", EventFieldType::object, true}};
  for (const FieldProblem& problem : check_event(schema, text)) CHECK(!problem.detail.empty());
}

}  // namespace
}  // namespace banyan::handlers

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 64 * 1024) banyan::handlers::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
