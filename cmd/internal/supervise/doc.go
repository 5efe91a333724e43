// Package supervise keeps worker processes running: it starts one for each slot, starts again what ends, by and by more seldom if it
// ends again and again, kills what is stuck, restarts one after the other when asked, and stops all in order.
//
// What a worker does, how many there are and where they belong is told by the caller; the processes tell how they are by the
// protocol of package notify.
package supervise
