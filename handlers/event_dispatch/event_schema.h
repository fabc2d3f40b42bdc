// What the events of a handler must look like: JSON objects with fields of given types.
//
//   schema = { order_id = "string", driver_id = "string?", timestamp = "time" }
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"

namespace banyan::handlers {

enum class EventFieldType { string, integer, number, boolean, time, object, array, any };

struct EventField {
  std::string name;
  EventFieldType type = EventFieldType::any;
  bool optional = false;  // may be missing, or null
  bool operator==(const EventField&) const = default;
};
using EventSchema = std::vector<EventField>;

// A table of NAME = "TYPE" or "TYPE?".
config::Format<EventSchema> event_schema();

struct FieldProblem {
  std::string field;  // empty: the event as a whole
  std::string detail;
};
// What is wrong with the event, a JSON text; empty if it fits. Fields that the schema does not name may be
// there; one that it names may not be there twice. Times are those of RFC 3339.
std::vector<FieldProblem> check_event(const EventSchema& schema, std::string_view json);

}  // namespace banyan::handlers
