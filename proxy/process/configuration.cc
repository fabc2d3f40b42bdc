#include "process/configuration.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <initializer_list>
#include <set>

#include "handlers/all_handlers.h"
#include "rollout/time_zone.h"
#include "route/conditions.h"

namespace banyan::process {
namespace {

// A mapping that ends with its scope.
class Mapping {
 public:
  Mapping(int fd, size_t size) : size_(size), bytes_(mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0)) {}
  ~Mapping() {
    if (ok()) munmap(bytes_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  bool ok() const { return bytes_ != MAP_FAILED; }
  std::string_view view() const { return {static_cast<const char*>(bytes_), size_}; }

 private:
  size_t size_;
  void* bytes_;
};

}  // namespace

const config::LoadOptions& load_options() {
  static const config::LoadOptions options = [] {
    config::LoadOptions made;
    for (const handler::HandlerType& type : handlers::all_handlers())
      made.handler_types.push_back(&type.options);
    made.check_regex = [](std::string_view pattern) {
      auto regex = route::compile_regex(std::string(pattern));
      return regex ? std::string() : regex.error().message;
    };
    made.is_time_zone = rollout::is_time_zone;
    return made;
  }();
  return options;
}

std::vector<std::string> certificate_files(const config::Config& config) {
  std::set<std::string> paths;
  const auto add = [&paths](std::initializer_list<const config::FileRef*> files) {
    for (const config::FileRef* file : files) {
      if (!file->empty()) paths.insert(file->path);
    }
  };
  for (const config::Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    const config::Tls& tls = *listener.tls;
    add({&tls.certificate, &tls.key, &tls.ocsp, &tls.ca, &tls.crl});
    for (const config::Certificate& each : tls.more) add({&each.certificate, &each.key, &each.ocsp});
  }
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.tls)
      add({&upstream.tls->ca, &upstream.tls->crl, &upstream.tls->certificate, &upstream.tls->key});
  }
  return {paths.begin(), paths.end()};
}

Result<Fd> to_memfd(const config::Sources& sources) {
  Fd fd(memfd_create("banyan-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return system_error("memfd_create", errno);
  std::string bytes = sources.serialize();
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t written = write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("write the configuration to memory", errno);
    done += static_cast<size_t>(written);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return system_error("seal the configuration", errno);
  }
  return fd;
}

Result<std::shared_ptr<const Configuration>> from_memfd(const Fd& fd, uint32_t number) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error("look at the configuration", errno);
  Mapping mapping(fd.get(), static_cast<size_t>(status.st_size));
  if (!mapping.ok()) return system_error("map the configuration", errno);
  Result<config::Sources> sources = config::Sources::parse(mapping.view());
  if (!sources) return std::move(sources).error();
  auto made = std::make_shared<Configuration>();
  made->number = number;
  made->sources = std::move(*sources);
  config::Loaded loaded = config::parse(made->sources, load_options());
  if (!loaded.ok()) return proxy_error(config::to_text(loaded.diagnostics));
  made->config = std::move(loaded.config);
  return std::shared_ptr<const Configuration>(std::move(made));
}

Fd duplicate(const Fd& fd) {
  Fd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  CHECK(copy);
  return copy;
}

}  // namespace banyan::process
