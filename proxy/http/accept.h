// What a client says that it wants to get (RFC 9110 section 12.5).
#pragma once

#include <string_view>

#include "http/fields.h"

namespace banyan::http {

// One element of Accept, Accept-Encoding and their like; a view of the field.
struct Weighted {
  std::string_view name;  // "text/html", "*/*", "gzip"; parameters are left out
  int weight = 1000;      // thousandths; 0: not wanted (section 12.4.2). What cannot be read is 0.
};
Weighted read_weighted(std::string_view element);

// Calls `visit` with each element of all fields of that name, in their order.
template <class Visit>
void each_weighted(const Fields& fields, FieldId id, Visit visit) {
  for (const Field& field : fields) {
    if (field.id != id) continue;
    each_list_element(field.value, [&](std::string_view element) { visit(read_weighted(element)); });
  }
}

// True if Accept names this media type itself, and with a weight above zero (sections 12.4.2 and 12.5.1).
// Ranges such as "*/*" do not name it.
bool accepts_by_name(const Fields& fields, std::string_view media_type);

}  // namespace banyan::http
