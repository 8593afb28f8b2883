package audit

// Queued returns how many records wait for the next commit.
func (b *Batcher) Queued() int { return len(b.queue) }
