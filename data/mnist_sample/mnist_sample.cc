#include "data/mnist_sample/mnist_sample.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/idx.h"

// embed.S
extern "C" {
extern const char athanor_mnist_train_images[], athanor_mnist_train_images_end[];
extern const char athanor_mnist_train_labels[], athanor_mnist_train_labels_end[];
extern const char athanor_mnist_test_images[], athanor_mnist_test_images_end[];
extern const char athanor_mnist_test_labels[], athanor_mnist_test_labels_end[];
}

namespace athanor {
namespace {

absl::StatusOr<Dataset> Load(absl::string_view split, absl::string_view images, absl::string_view labels) {
  std::string images_name = absl::StrCat("embedded MNIST sample (", split, " images)");
  std::string labels_name = absl::StrCat("embedded MNIST sample (", split, " labels)");
  ATH_ASSIGN_OR_RETURN(Tensor x, ParseIdx(images, images_name));
  ATH_ASSIGN_OR_RETURN(Tensor y, ParseIdx(labels, labels_name));
  ATH_ASSIGN_OR_RETURN(Dataset d, MakeMnistDataset(std::move(x), images_name, y, labels_name));
  d.name = absl::StrCat("embedded MNIST sample (", split, ")");
  return d;
}

absl::string_view Between(const char* begin, const char* end) { return absl::string_view(begin, end - begin); }

}  // namespace

absl::StatusOr<TrainTest> LoadMnistSample() {
  TrainTest both;
  ATH_ASSIGN_OR_RETURN(both.train, Load("train", Between(athanor_mnist_train_images, athanor_mnist_train_images_end),
                                        Between(athanor_mnist_train_labels, athanor_mnist_train_labels_end)));
  ATH_ASSIGN_OR_RETURN(both.test, Load("test", Between(athanor_mnist_test_images, athanor_mnist_test_images_end),
                                       Between(athanor_mnist_test_labels, athanor_mnist_test_labels_end)));
  return both;
}

}  // namespace athanor
