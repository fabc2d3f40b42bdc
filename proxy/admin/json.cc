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

namespace {

Json schedule_json(const control::RolloutView& view) {
  Json json = {{"steps", view.steps},
               {"taken", view.live.progress.taken},
               {"since", control::time_text(view.live.progress.since)},
               {"waits_for", rollout::waits_name(view.outlook.waits)}};
  if (view.outlook.percent) json["next_percent"] = percent_json(*view.outlook.percent);
  if (view.outlook.at) json["next_at"] = control::time_text(*view.outlook.at);
  return json;
}

Json side_json(const rollout::SideNumbers& side) {
  return {{"requests", side.requests},
          {"errors", side.errors},
          {"error_rate", side.error_rate},
          {"p50", side.p50},
          {"p99", side.p99}};
}

Json check_json(const rollout::CheckResult& result) {
  return {{"check", rollout::check_name(result.check)},
          {"native", result.native},
          {"legacy", result.legacy},
          {"excess", result.excess},
          {"limit", result.limit},
          {"over", result.over},
          {"failed", result.failed},
          {"chance", result.chance},
          {"alpha", result.alpha}};
}

// What both sides did in the last minutes; also for a rollout without a gate.
Json window_json(const rollout::Judgement& judgement) {
  return {{"seconds", std::chrono::duration<double>(judgement.window).count()},
          {"legacy", side_json(judgement.legacy)},
          {"native", side_json(judgement.native)},
          {"diverted", judgement.diverted}};
}

// The verdict is null in states in which it makes no difference.
Json gate_json(const control::RolloutView& view) {
  const rollout::Judgement& judgement = *view.judgement;
  Json json = {{"verdict", nullptr}, {"why", "nothing is judged in this state"}};
  if (view.judged) {
    json = {{"verdict", rollout::verdict_name(judgement.verdict)}, {"why", judgement.reason}};
  }
  json["checks"] = Json::array();
  for (const rollout::CheckResult& check : judgement.checks) json["checks"].push_back(check_json(check));
  return json;
}

}  // namespace

Json rollout_json(const control::RolloutView& view) {
  Json json = {{"name", view.name},
               {"percent", percent_json(view.percent)},
               {"state", rollout::phase_name(view.phase())},
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
  const rollout::Progress& progress = view.live.progress;
  if (progress.target < progress.percent) json["target_percent"] = percent_json(progress.target);
  if (view.steps > 0) json["schedule"] = schedule_json(view);
  if (view.gated && view.judgement) json["gate"] = gate_json(view);
  if (view.judgement) json["window"] = window_json(*view.judgement);
  return json;
}

}  // namespace banyan::admin
