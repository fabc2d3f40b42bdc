// What came for a key, as text that answers are made of.
#pragma once

#include <string>
#include <string_view>

#include "handlers/batch_fetch/object.h"

namespace banyan::handlers {

struct Piece {
  int status = 0;                  // the store's; 0: nothing came, `error` says why
  std::string_view error;          // static: "timeout"
  std::string_view members;        // of the key's JSON object, without braces: "status":200,"body":"…"
  const Object* object = nullptr;  // where the members were made from, unless they were kept
};

// Appends an object's members.
void append_members(std::string& text, const Object& object);

// The object that members were made of, as far as answers need it.
struct PieceParts {
  std::string content_type;
  std::string content_encoding;
  std::string etag;
  std::string code;
  std::string body;
};
PieceParts read_members(std::string_view members);

}  // namespace banyan::handlers
