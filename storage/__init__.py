"""Where the files of attachments are: in a directory, or in a storage that speaks S3."""
