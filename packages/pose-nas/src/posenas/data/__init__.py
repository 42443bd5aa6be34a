"""Images and people: files, crops, whole images, augmentation, loaders, and what is wrong with them."""
