// Sends numbered events with Elastic's own client, one batch after the other, and prints each number that was
// acknowledged. What was not is sent again on a new connection, as Winlogbeat does.
//
// lumberjack_client ADDRESS CERTIFICATES LEVEL BATCH FIRST LAST
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	lumber "github.com/elastic/go-lumber/client/v2"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func main() {
	address, folder := os.Args[1], os.Args[2]
	level, size, first, last := number(os.Args[3]), number(os.Args[4]), number(os.Args[5]), number(os.Args[6])
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "server.crt"), filepath.Join(folder, "server.key"))
	must(err)
	ca, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "collector"}
	dial := func(network, address string) (net.Conn, error) {
		return tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, network, address, config)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var client *lumber.SyncClient
	for first <= last {
		if client == nil {
			client, err = lumber.SyncDialWith(dial, address, lumber.CompressionLevel(level), lumber.Timeout(20*time.Second))
			if err != nil {
				log.Print(err)
				time.Sleep(100 * time.Millisecond)
				continue
			}
		}
		var batch []interface{}
		for n := first; n <= last && len(batch) < size; n++ {
			batch = append(batch, map[string]interface{}{
				"@timestamp": time.Now().UTC(), "message": fmt.Sprintf("端末 %d", n), "serial": n,
				"winlog": map[string]interface{}{"record_id": n, "channel": "Microsoft-Windows-Sysmon/Operational"},
			})
		}
		done, err := client.Send(batch)
		for n := first; n < first+done; n++ {
			fmt.Fprintln(out, n)
		}
		out.Flush()
		first += done
		if err != nil {
			log.Print(err)
			_ = client.Close()
			client = nil
		}
	}
}
