// Shapes that several pages share. For .cc files of this folder only: the JSON library is slow to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "admin/reply.h"
#include "control/rollout_book.h"

namespace banyan::admin {

using Json = nlohmann::ordered_json;

// Pretty-printed, bytes that are not UTF-8 replaced.
Reply json_reply(const Json& value, int status = 200);
std::string json_text(const Json& value);

// A percentage given in hundredths: 37.25.
Json percent_json(uint32_t hundredths);
// {"name", "percent", "state", …}
Json rollout_json(const control::RolloutView& view);

}  // namespace banyan::admin
