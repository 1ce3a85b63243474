module github.com/quorate/quorate/cluster-test

go 1.26.0

replace github.com/quorate/quorate => ../
