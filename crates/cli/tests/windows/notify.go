// A program as Go programmers write it: told to end, it needs two seconds to clean up.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt)
	fmt.Println("listening")
	fmt.Println("got", <-told)
	time.Sleep(2 * time.Second)
	fmt.Println("clean")
}
