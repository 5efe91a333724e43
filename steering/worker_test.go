package steering

func workerMain() int { return 0 }
