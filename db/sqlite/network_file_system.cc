#include "db/sqlite/network_file_system.h"

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace zcbench::sqlite {
namespace {

constexpr int64_t kFuse = 0x65735546;

struct Known {
  int64_t magic;
  std::string_view name;
};

constexpr Known kNetwork[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},       {0xFF534D42, "CIFS"},   {0xFE534D42, "SMB2"},
    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},  {0x19830326, "BeeGFS"}, {0x00C36400, "Ceph"},
    {0x5346414F, "AFS"},    {0x6B414653, "AFS"},   {0x73757245, "Coda"},   {0x01021997, "9p"},
    {0x01161970, "GFS2"},   {0x7461636F, "OCFS2"}, {0xAAD7AAEA, "PanFS"},  {0x20030528, "OrangeFS"},
    {0x013111A8, "IBRIX"},
};

// FUSE carries both local and network file systems; these are the latter.
constexpr std::string_view kNetworkFuse[] = {"sshfs",  "glusterfs", "ceph",   "s3fs",    "gcsfuse",  "rclone",
                                             "goofys", "juicefs",   "cvmfs2", "moosefs", "lizardfs", "mfs",
                                             "davfs",  "curlftpfs", "beegfs", "nfs",     "smb"};

// The type of the mount that holds `device`, as /proc/self/mountinfo says it ("fuse.sshfs"); empty when not found.
std::string MountType(dev_t device) {
  const std::string wanted = absl::StrCat(major(device), ":", minor(device));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root mount-point options [optional]... - type source options
    const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<std::string> left = absl::StrSplit(halves[0], ' ');
    const std::vector<std::string> right = absl::StrSplit(halves[1], ' ');
    if (left.size() > 2 && left[2] == wanted) return right[0];
  }
  return "";
}

}  // namespace

std::string_view NetworkFileSystemName(int64_t magic) {
  for (const Known& known : kNetwork) {
    // f_type is signed on some platforms: only its 32 bits count.
    if ((known.magic & 0xFFFFFFFF) == (magic & 0xFFFFFFFF)) return known.name;
  }
  return "";
}

FileSystem DescribeFileSystem(const std::filesystem::path& folder) {
  struct statfs system {};
  struct stat info {};
  if (statfs(folder.c_str(), &system) != 0 || stat(folder.c_str(), &info) != 0) return {};
  const std::string type = MountType(info.st_dev);
  if (const std::string_view name = NetworkFileSystemName(system.f_type); !name.empty()) {
    return {.name = std::string(name), .network = true};
  }
  bool network = false;
  if ((system.f_type & 0xFFFFFFFF) == kFuse) {
    for (std::string_view name : kNetworkFuse) network |= type.find(name) != std::string::npos;
  }
  return {.name = type, .network = network};
}

absl::Status RefuseNetworkFileSystem(const std::filesystem::path& folder) {
  if (access(folder.c_str(), F_OK) != 0) {
    const int error = errno;
    const std::string message = absl::StrCat("the store's folder ", folder.string(), ": ", std::strerror(error));
    return error == ENOENT ? absl::NotFoundError(absl::StrCat(message, "; make it, or choose another with --store"))
                           : absl::UnavailableError(message);
  }
  const FileSystem system = DescribeFileSystem(folder);
  if (!system.network) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(folder.string(), " lies on a network file system (", system.name,
                   "), where a database can be damaged; put the store on a local disk of the machine that runs the "
                   "server, e.g. --store /var/tmp/zcbench.db"));
}

}  // namespace zcbench::sqlite
