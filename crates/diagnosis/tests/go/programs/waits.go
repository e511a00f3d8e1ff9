// Goroutines that wait in every way there is, each in a function named after it.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

type shop struct {
	mutex sync.Mutex
	group sync.WaitGroup
	cond  *sync.Cond
	sold  int
	never chan int
	table sync.RWMutex
}

//go:noinline
func holdsMutex(s *shop, ready chan bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	ready <- true
	time.Sleep(time.Hour)
	s.sold++
}

//go:noinline
func wantsMutex(s *shop) {
	s.mutex.Lock()
	s.sold++
	s.mutex.Unlock()
}

//go:noinline
func reads(s *shop, ready chan bool) {
	s.table.RLock()
	ready <- true
	<-s.never
	s.table.RUnlock()
}

//go:noinline
func wantsToWrite(s *shop) {
	s.table.Lock()
	s.sold++
	s.table.Unlock()
}

//go:noinline
func wantsToRead(s *shop) {
	s.table.RLock()
	s.sold++
	s.table.RUnlock()
}

//go:noinline
func waitsForGroup(s *shop) {
	s.group.Wait()
	s.sold++
}

//go:noinline
func waitsForCond(s *shop) {
	s.cond.L.Lock()
	s.cond.Wait()
	s.cond.L.Unlock()
}

//go:noinline
func forgetsChannel() {
	forgotten := make(chan int)
	go sendsToNobody(forgotten)
}

//go:noinline
func sendsToNobody(forgotten chan int) { forgotten <- 1 }

//go:noinline
func selects(a, b chan int) {
	select {
	case <-a:
	case b <- 2:
	}
}

//go:noinline
func receivesFromNil() {
	var channel chan int
	<-channel
}

//go:noinline
func receives() { <-known }

//go:noinline
func readsPipe(ready chan bool) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	ready <- true
	var one [1]byte
	r.Read(one[:])
	w.Close()
}

//go:noinline
func holdsTwice() {
	again.Lock()
	again.Lock()
	again.Unlock()
}

var known = make(chan int)
var again sync.Mutex

func main() {
	s := &shop{never: make(chan int)}
	s.cond = sync.NewCond(&sync.Mutex{})
	s.group.Add(1)
	ready := make(chan bool)
	go holdsMutex(s, ready)
	<-ready
	go wantsMutex(s)
	go reads(s, ready)
	<-ready
	go wantsToWrite(s)
	go waitsForGroup(s)
	go waitsForCond(s)
	forgetsChannel()
	go selects(s.never, make(chan int))
	go receivesFromNil()
	go receives()
	go readsPipe(ready)
	<-ready
	go holdsTwice()
	time.Sleep(100 * time.Millisecond)
	go wantsToRead(s)
	time.Sleep(100 * time.Millisecond)
	fmt.Println("ready")
	var one [1]byte
	os.Stdin.Read(one[:])
	fmt.Println(s.sold, s.never, known)
}
