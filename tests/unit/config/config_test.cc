#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/tables.h"
#include "support/temporary_folder.h"
#include "unit/config/sample_handlers.h"

namespace banyan::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConfigTest, DefaultsAreThoseOfTheStructs) {
  const Loaded loaded = load_text(complete(""));
  ASSERT_EQ(to_text(loaded.diagnostics), "");
  Config expected;
  expected.admin.socket = "/run/banyan/admin.sock";
  Listener listener;
  listener.address = *parse_address("127.0.0.1:80");
  expected.listeners = {listener};
  Upstream upstream;
  upstream.name = "node";
  upstream.servers.resize(1);
  upstream.servers[0].address = *parse_address("127.0.0.1:3000");
  expected.upstreams = {upstream};
  Route route;
  route.name = "/*";
  route.path = {PathMatch::Kind::prefix, "/"};
  route.target = Target{Target::Kind::upstream, "node"};
  expected.routes = {route};
  EXPECT_EQ(loaded.config, expected);
}

TEST(ConfigTest, DefaultsGiveWayToWhatIsSaid) {
  const auto upstream = [](std::string_view keys) {
    const Loaded loaded = load_text(complete(fmt::format(
        "[upstream.x]\nservers = [\"127.0.0.1:1\"]\n{}\n[[route]]\npath = \"/x\"\ntarget = \"upstream.x\"\n",
        keys)));
    EXPECT_EQ(to_text(loaded.diagnostics), "");
    return *loaded.config.find_upstream("x");
  };
  EXPECT_EQ(upstream("health = { path = \"/\", interval = \"1s\" }").health->timeout, 1s);
  EXPECT_EQ(upstream("health = { path = \"/\", interval = \"9s\" }").health->timeout, 2s);
  EXPECT_EQ(upstream("health = { path = \"/\", timeout = \"9s\" }").health->interval, 9s);
  EXPECT_EQ(upstream("ejection = { time_max = \"1s\" }").ejection.time, 1s);
  EXPECT_EQ(upstream("breaker = { time = \"2m\" }").breaker->time_max, 2min);
  EXPECT_EQ(upstream("retry = { backoff = \"1s\" }").retry.backoff_max, 1s);
  EXPECT_EQ(load_text(complete("[client.limits]\nhead = \"4k\"\n")).config.client.limits.line, 4096u);
}

TEST(ConfigTest, FindsByName) {
  const Config config = load_text(complete("[handler.e]\ntype = \"echo\"\n")).config;
  EXPECT_EQ(config.find_upstream("node"), &config.upstreams[0]);
  EXPECT_EQ(config.find_upstream("none"), nullptr);
  EXPECT_EQ(config.find_handler("e"), &config.handlers[0]);
  EXPECT_EQ(config.find_rollout("e"), nullptr);
}

TEST(ConfigTest, HandlerOptionsHaveTheirType) {
  const Config config =
      load_text(complete("[handler.e]\ntype = \"echo\"\nmax_body = \"4k\"\ngreeting = \"hi\"\n")).config;
  ASSERT_EQ(config.handlers.size(), 1u);
  EXPECT_EQ(config.handlers[0].type, "echo");
  EXPECT_EQ(config.handlers[0].options.as<EchoOptions>(), (EchoOptions{4096, "hi"}));
  EXPECT_DEATH(config.handlers[0].options.as<FetchOptions>(), "CHECK failed");
}

TEST(ConfigTest, EqualityIsByValueAndNotByPlace) {
  const std::string handler = "[handler.e]\ntype = \"echo\"\nmax_body = ";
  const Config one = load_text(complete(handler + "4096\n")).config;
  const Config moved = load_text(complete("\n\n# moved\n" + handler + "\"4k\"\n")).config;
  const Config other = load_text(complete(handler + "4097\n")).config;
  EXPECT_EQ(one, moved);
  EXPECT_NE(one.handlers[0].where.line, moved.handlers[0].where.line);
  EXPECT_NE(one, other);
  EXPECT_NE(one.handlers[0], other.handlers[0]);
  EXPECT_EQ(one.upstreams[0], other.upstreams[0]);
}

TEST(ConfigTest, ChangedCertificateIsAChange) {
  const std::string text =
      "[[listener]]\naddress = \"0.0.0.0:443\"\ntls = { certificate = \"c\", key = \"k\" }\n"
      "[[route]]\npath = \"/\"\nreply = {}\n";
  Sources sources = sources_of(text);
  sources.files["/etc/banyan/c"].content = "-----BEGIN CERTIFICATE-----1";
  sources.files["/etc/banyan/k"].content = "-----BEGIN PRIVATE KEY-----";
  const Loaded one = parse(sources, sample_options());
  ASSERT_EQ(to_text(one.diagnostics), "");
  sources.files["/etc/banyan/c"].content += "2";
  EXPECT_NE(one.config.listeners, parse(sources, sample_options()).config.listeners);
}

TEST(ConfigTest, RouteNamesAreUnique) {
  std::string text = complete("");
  for (const char* rest :
       {"methods = \"GET\"", "methods = \"PUT\"\nheaders = { A = true }",
        "methods = \"PUT\"\nheaders = { A = false }", "host = \"a.b\"", "name = \"/x\"\nhost = \"c.d\""}) {
    text += fmt::format("[[route]]\npath = \"/*\"\nreply = {{}}\n{}\n", rest);
  }
  const Loaded loaded = load_text(text);
  ASSERT_EQ(to_text(loaded.diagnostics), "");
  std::vector<std::string> names;
  for (const Route& route : loaded.config.routes) names.push_back(route.name);
  EXPECT_THAT(names, ElementsAre("/*", "GET /*", "PUT /*", "PUT /* #2", "a.b/*", "/x"));
}

TEST(ConfigTest, OverrideReplacesValuesAndLists) {
  Sources sources = sources_of(complete("workers = 2\n"));
  sources.overrides = {"workers = 3", "upstream.node.servers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]",
                       "route = [{ path = \"/only\", reply = { status = 204 } }]",
                       "upstream.node.balance = \"p2c\""};
  const Loaded loaded = parse(sources, sample_options());
  EXPECT_TRUE(loaded.ok()) << to_text(loaded.diagnostics);
  EXPECT_EQ(loaded.config.workers, 3u);
  EXPECT_EQ(loaded.config.upstreams[0].servers.size(), 2u);
  EXPECT_EQ(loaded.config.upstreams[0].balance, Upstream::Balance::p2c);
  ASSERT_EQ(loaded.config.routes.size(), 1u);
  EXPECT_EQ(loaded.config.routes[0].path.text(), "/only");
}

TEST(ConfigTest, SecretsAreNeverShown) {
  const std::string secret = "hunter2-hunter2";
  Sources sources = sources_of(complete("[admin]\ntoken = \"" + secret +
                                        "\"\n[handler.f]\ntype = \"fetch\"\norigin = \"x\"\n" +
                                        "auth = \"sigv4\"\nsecret_key = { file = \"s\" }\n") +
                               "request_headers = { set = { Authorization = \"Bearer " + secret +
                               "\", X-Api-Key = \"" + secret + "\", X-Plain = \"shown\" } }\n");
  sources.files["/etc/banyan/s"].content = secret + "\r\n";
  const Loaded loaded = parse(sources, sample_options());
  ASSERT_TRUE(loaded.ok()) << to_text(loaded.diagnostics);
  EXPECT_EQ(loaded.config.admin.token.value, secret);
  EXPECT_EQ(loaded.config.handlers[0].options.as<FetchOptions>().secret_key.value, secret);
  const std::string printed = print(loaded.config);
  EXPECT_THAT(printed, Not(HasSubstr("hunter2")));
  EXPECT_THAT(printed, HasSubstr("X-Plain = \"shown\""));
  EXPECT_THAT(printed, HasSubstr("token = \"***\""));
  for (const char* wrong : {"12345678", "[\"12345678\"]", "{ a = \"12345678\" }"}) {
    const Loaded refused = load_text(complete(fmt::format("[admin]\ntoken = {}\n", wrong)));
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(to_text(refused.diagnostics), Not(HasSubstr("12345678")));
  }
}

TEST(ConfigTest, TheWrittenPartHasTheTextsAndNothingThatTheyReferTo) {
  testing::TemporaryFolder folder;
  folder.write("banyan.toml",
               "include = \"more/*.toml\"\nworkers = \"${BANYAN_TEST_WORKERS:-3}\"\n"
               "[lua]\nroutes = \"routes.lua\"\n[admin]\ntoken = { file = \"secret\" }\n");
  folder.write("more/a.toml",
               "[[listener]]\naddress = \"127.0.0.1:1\"\n[[route]]\npath = \"/\"\nreply = {}\n");
  folder.write("routes.lua", "return {}");
  folder.write("secret", "hunter2");
  const Sources all = read_sources({.file = folder.file("banyan.toml")}, sample_options());
  const Loaded loaded = parse(all, sample_options());
  ASSERT_TRUE(loaded.ok()) << to_text(loaded.diagnostics);
  Sources written = written_part(all, sample_options());
  std::vector<std::string> paths;
  for (const auto& [path, file] : written.files) paths.push_back(path);
  EXPECT_THAT(paths,
              ElementsAre(folder.file("banyan.toml"), folder.file("more/a.toml"), folder.file("routes.lua")));
  EXPECT_TRUE(written.environment.empty());
  EXPECT_THAT(written.serialize(), Not(HasSubstr("hunter2")));
  // What is written stays, the rest is taken as it is now.
  folder.write("banyan.toml", "nonsense");
  folder.write("more/b.toml", "nonsense");
  folder.write("secret", "hunter3");
  complete(written, sample_options());
  const Loaded again = parse(written, sample_options());
  ASSERT_TRUE(again.ok()) << to_text(again.diagnostics);
  EXPECT_EQ(again.config.admin.token.value, "hunter3");
  EXPECT_EQ(again.config.routes, loaded.config.routes);
}

TEST(ConfigTest, ValuesOfTheEnvironmentAreNotShownInErrors) {
  Sources sources = sources_of(complete("workers = \"${W}\"\n[log]\nerror = { level = \"${W}\" }\n"));
  sources.environment["W"] = "s3cret";
  const Loaded loaded = parse(sources, sample_options());
  EXPECT_EQ(loaded.diagnostics.size(), 2u);
  EXPECT_THAT(to_text(loaded.diagnostics), Not(HasSubstr("s3cret")));
}

TEST(ConfigTest, SaysWhatNeedsARestart) {
  const Config running = load_text(complete("")).config;
  EXPECT_THAT(restart_differences(running, running), ElementsAre());
  const Config next =
      load_text(complete("workers = 3\nstate_dir = \"/x\"\nshutdown_timeout = \"1s\"\n[admin]\nsocket = "
                         "\"/x.sock\"\n[client]\ntimeouts = { header = \"1s\" }\n"))
          .config;
  EXPECT_THAT(restart_differences(running, next), ElementsAre("workers", "state_dir", "admin.socket"));
}

TEST(ConfigTest, ManyRoutesAreLoaded) {
  std::string text = complete("");
  for (int i = 0; i < 300; ++i) {
    text += fmt::format(
        "[[route]]\npath = \"/r/{}/*\"\nhost = \"h{}.example.org\"\ntarget = \"upstream.node\"\n", i, i % 10);
  }
  const Loaded loaded = load_text(text);
  EXPECT_EQ(to_text(loaded.diagnostics), "");
  EXPECT_EQ(loaded.config.routes.size(), 301u);
}

void expect_documented(const AnySection& section, const std::string& path) {
  EXPECT_FALSE(section.doc().empty()) << path;
  std::set<std::string> keys;
  for (const Field& field : section.fields()) {
    const std::string name = path + "." + field.key;
    EXPECT_TRUE(keys.insert(field.key).second) << name << " is there twice";
    EXPECT_FALSE(field.doc.empty()) << name;
    EXPECT_TRUE(field.doc.ends_with('.')) << name << ": a sentence";
    EXPECT_FALSE(field.type.empty()) << name;
    if (field.section) expect_documented(*field.section, name);
  }
}

TEST(ManualTest, EveryRowIsDocumented) { expect_documented(root_section(), ""); }

TEST(ManualTest, TellsEveryKeyOfEverySection) {
  const std::string text = manual(sample_options());
  for (const char* line :
       {".Ss Top of the file\n", ".Ss [log]\n", ".Ss log.access\n", ".Ss [[listener]]\n",
        ".Ss listener.tls\n", ".Ss [upstream.NAME]\n", ".Ss upstream.NAME.timeouts\n",
        ".Ss route.request_headers, route.response_headers\n", ".Ss [handler.NAME] type = \\(dqfetch\\(dq\n",
        ".Ss handler.NAME.cache\n", ".It Ic percent No = Ar \"percentage\"\n",
        ".It Ic greeting No = Ar \"string\"\n", "Default:\n.Ql \"\\(dq65s\\(dq\" .\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace banyan::config
