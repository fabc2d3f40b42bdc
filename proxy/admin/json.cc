#include "admin/json.h"

#include "control/texts.h"
#include "http/head.h"

namespace banyan::admin {

std::string json_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Reply json_reply(const Json& value, int status) { return {status, "application/json", json_text(value), {}}; }

Reply problem(int status, std::string_view detail, const std::vector<std::string>& reasons) {
  Json body = {{"title", http::reason_phrase(status)}, {"status", status}, {"detail", detail}};
  if (!reasons.empty()) body["reasons"] = reasons;
  return {status, "application/problem+json", json_text(body), {}};
}

Json percent_json(uint32_t hundredths) { return Json::parse(control::percent_text(hundredths)); }

Json rollout_json(const control::RolloutView& view) {
  Json json = {{"name", view.name},
               {"percent", percent_json(view.percent)},
               {"phase", rollout::phase_name(view.live.phase)},
               {"live", view.live.live()},
               {"file_percent", percent_json(view.file_percent)},
               {"legacy", view.legacy},
               {"native", view.native},
               {"sticky", view.sticky},
               {"salt", view.salt},
               {"fallback", view.fallback}};
  if (view.live.live()) {
    json["changed"] = control::time_text(view.live.changed);
    json["who"] = view.live.who;
    json["why"] = view.live.why;
  }
  return json;
}

}  // namespace banyan::admin
