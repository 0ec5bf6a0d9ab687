// A file that this process made and nobody else needs: it goes when its owner does.
#ifndef ZCBENCH_SERVER_OWN_FILE_H_
#define ZCBENCH_SERVER_OWN_FILE_H_

#include <filesystem>
#include <utility>

namespace zcbench {

class OwnFile {
 public:
  explicit OwnFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~OwnFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  OwnFile(const OwnFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_OWN_FILE_H_
