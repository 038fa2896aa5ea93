complete --keep-order --exclusive --command pipetool --arguments "(COMPLETE=fish pipetool -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
