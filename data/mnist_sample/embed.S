// Puts the files of this folder into the binary, between two symbols each. Paths are relative to the workspace.
.macro embed name, path
  .global \name
  .global \name\()_end
  .type \name, @object
  .type \name\()_end, @object
  .balign 64
\name:
  .incbin "\path"
  .size \name, . - \name
\name\()_end:
  .byte 0
.endm

  .section .rodata
  embed athanor_mnist_train_images, data/mnist_sample/train-images-idx3-ubyte.gz
  embed athanor_mnist_train_labels, data/mnist_sample/train-labels-idx1-ubyte.gz
  embed athanor_mnist_test_images, data/mnist_sample/t10k-images-idx3-ubyte.gz
  embed athanor_mnist_test_labels, data/mnist_sample/t10k-labels-idx1-ubyte.gz
  .section .note.GNU-stack, "", @progbits
